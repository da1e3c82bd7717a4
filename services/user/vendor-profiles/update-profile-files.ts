import { defineRoute, idParams } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { VendorProfileNotFound } from '../errors.ts';
import { profileFilesForm, profileFilesSchema } from './fields/profile-body.ts';
import { FORM_ERRORS } from './files/read-answer.ts';
import { answerChange } from './profile/answer-change.ts';
import { vendorProfileSchema } from './profile/vendor-profile-resource.ts';

/** The seed document's route: logo and certificate, as files of a form or ids of own files. */
export const updateProfileFiles = defineRoute({
  method: 'PATCH',
  url: '/api/vendor-profiles/:id/files',
  operation: 'vendor-profiles.update_profile_files',
  summary: 'Upload the logo or the certificate of a vendor profile.',
  access: { permission: 'vendor-profiles:write' },
  params: idParams,
  body: profileFilesSchema,
  media: { 'multipart/form-data': profileFilesForm },
  response: { 200: vendorProfileSchema },
  sends: { 200: ['Audit-Event', 'ETag', 'Last-Modified'] },
  errors: [VendorProfileNotFound, ...FORM_ERRORS],
  preconditions: 'handler',
  options: { attachValidation: true },
  handler:
    (context: Pick<UserContext, 'auth' | 'config' | 'data' | 'audit'>) => async (request, reply) =>
      answerChange(context, request, reply),
});
