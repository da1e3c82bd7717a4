import { isDeepStrictEqual } from 'node:util';
import { principalOf } from '@muniment/security';
import { defineRoute, idParams, nameAuditEvent } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { VendorProfileNotFound } from '../errors.ts';
import { changeProfile, statedOf, type StatedProfile } from './fields/check-profile.ts';
import { profileChangeSchema, readProfileChange } from './fields/profile-body.ts';
import { findChangeableProfile, lockProfileAndUser } from './profile/lock-profile.ts';
import { showProfile } from './profile/show-profile.ts';
import { vendorProfileUpdated } from './profile/vendor-profile-events.ts';
import { updateProfile, updateProfileStatus } from './profile/vendor-profile-queries.ts';
import { vendorProfileSchema } from './profile/vendor-profile-resource.ts';

/** What an administrator verifies about a company. A change of one asks for it again. */
const VERIFIED_FIELDS = [
  'business_type',
  'business_name',
  'company_name',
  'country_code',
  'gst_number',
  'address',
  'establishment',
] as const satisfies readonly (keyof StatedProfile)[];

/** Changes what the body names (RFC 7396). null clears a field. */
export const updateVendorProfile = defineRoute({
  method: 'PATCH',
  url: '/api/vendor-profiles/:id',
  operation: 'vendor-profiles.update_vendor_profile',
  summary: 'Change fields of a vendor profile.',
  access: { permission: 'vendor-profiles:write' },
  params: idParams,
  body: profileChangeSchema,
  response: { 200: vendorProfileSchema },
  sends: { 200: ['Audit-Event', 'ETag', 'Last-Modified'] },
  errors: [VendorProfileNotFound],
  preconditions: 'handler',
  handler: (context: Pick<UserContext, 'data' | 'audit'>) => async (request, reply) => {
    const { body, params } = request;
    const fields = readProfileChange(body);
    const found = await findChangeableProfile(context, request, params.id);
    const { id: updatedBy } = principalOf(request);
    const { row, eventId } = await context.data.inTransaction(request, async (trx, record) => {
      const { profile: current, user } = await lockProfileAndUser(trx, request, found);
      const profile = changeProfile(statedOf(current), fields, body);
      const updated = await updateProfile(trx, current.id, { profile, updatedBy });
      const reverify = user.is_profile_reverified && needsVerification(current, profile);
      await updateProfileStatus(trx, user, {
        is_profile_updated: true,
        is_profile_reverified: user.is_profile_reverified && !reverify,
      });
      const change = { fields: Object.keys(fields).toSorted(), reverify };
      return { row: updated, eventId: await record(vendorProfileUpdated(updated, change)) };
    });
    nameAuditEvent(reply, eventId);
    return showProfile(request, reply, row);
  },
});

const needsVerification = (before: StatedProfile, after: StatedProfile): boolean =>
  VERIFIED_FIELDS.some((name) => !isDeepStrictEqual(before[name], after[name]));
