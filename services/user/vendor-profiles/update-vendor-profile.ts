import { defineRoute, idParams } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { VendorProfileNotFound } from '../errors.ts';
import { profileChangeForm, profileChangeSchema } from './fields/profile-body.ts';
import { FORM_ERRORS } from './files/read-answer.ts';
import { answerChange } from './profile/answer-change.ts';
import { vendorProfileSchema } from './profile/vendor-profile-resource.ts';

/** Changes what the body names (RFC 7396). null clears a field. */
export const updateVendorProfile = defineRoute({
  method: 'PATCH',
  url: '/api/vendor-profiles/:id',
  operation: 'vendor-profiles.update_vendor_profile',
  summary: 'Change fields and files of a vendor profile.',
  access: { permission: 'vendor-profiles:write' },
  params: idParams,
  body: profileChangeSchema,
  media: { 'multipart/form-data': profileChangeForm },
  response: { 200: vendorProfileSchema },
  sends: { 200: ['Audit-Event', 'ETag', 'Last-Modified'] },
  errors: [VendorProfileNotFound, ...FORM_ERRORS],
  preconditions: 'handler',
  options: { attachValidation: true },
  handler:
    (context: Pick<UserContext, 'auth' | 'config' | 'data' | 'audit'>) => async (request, reply) =>
      answerChange(context, request, reply),
});
