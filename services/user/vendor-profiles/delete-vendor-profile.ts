import { Type } from 'typebox';
import { defineRoute, idParams, nameAuditEvent } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { VendorProfileNotFound } from '../errors.ts';
import { findChangeableProfile, lockProfileAndUser } from './profile/lock-profile.ts';
import { vendorProfileDeleted } from './profile/vendor-profile-events.ts';
import { deleteProfile, updateProfileStatus } from './profile/vendor-profile-queries.ts';

/** Deletes a profile. The account stays, and may have another one. */
export const deleteVendorProfile = defineRoute({
  method: 'DELETE',
  url: '/api/vendor-profiles/:id',
  operation: 'vendor-profiles.delete_vendor_profile',
  summary: 'Delete a vendor profile.',
  access: { permission: 'vendor-profiles:write' },
  params: idParams,
  response: { 204: Type.Null() },
  sends: { 204: ['Audit-Event'] },
  errors: [VendorProfileNotFound],
  preconditions: 'handler',
  handler: (context: Pick<UserContext, 'data' | 'audit'>) => async (request, reply) => {
    const found = await findChangeableProfile(context, request, request.params.id);
    const eventId = await context.data.inTransaction(request, async (trx, record) => {
      const { profile, user } = await lockProfileAndUser(trx, request, found);
      await deleteProfile(trx, profile.id);
      await updateProfileStatus(trx, user, {
        is_profile_updated: false,
        is_profile_reverified: false,
      });
      return record(vendorProfileDeleted(profile));
    });
    nameAuditEvent(reply, eventId);
    return reply.code(204).send(null);
  },
});
