import { defineRoute, idParams, nameAuditEvent } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { VendorProfileNotFound } from '../errors.ts';
import { profileFilesForm, profileFilesSchema, readProfileChange } from './fields/profile-body.ts';
import { FORM_ERRORS } from './files/read-answer.ts';
import { readProfileBody } from './files/read-profile-body.ts';
import { changeStoredProfile } from './profile/change-stored-profile.ts';
import { findUnchangedProfile } from './profile/lock-profile.ts';
import { showProfile } from './profile/show-profile.ts';
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
    (context: Pick<UserContext, 'auth' | 'config' | 'data' | 'audit'>) =>
    async (request, reply) => {
      const found = await findUnchangedProfile(context, request);
      const owner = { owner: found.user_id, isChosen: false };
      const { body } = await readProfileBody(context, request, owner);
      const fields = readProfileChange(body);
      const { row, eventId } = await changeStoredProfile(context, request, { found, fields, body });
      nameAuditEvent(reply, eventId);
      return showProfile(request, reply, row);
    },
});
