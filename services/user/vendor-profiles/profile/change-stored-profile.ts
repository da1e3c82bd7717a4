import { isDeepStrictEqual } from 'node:util';
import { principalOf } from '@muniment/security';
import type { FastifyRequest } from 'fastify';
import type { UserContext } from '../../context.ts';
import type { VendorProfile } from '../../tables.ts';
import { changeProfile, statedOf, type StatedProfile } from '../fields/check-profile.ts';
import type { ProfileFields } from '../fields/profile-body.ts';
import { claimFiles } from '../files/claim-files.ts';
import { lockProfileAndUser } from './lock-profile.ts';
import { vendorProfileUpdated } from './vendor-profile-events.ts';
import { updateProfile, updateProfileStatus } from './vendor-profile-queries.ts';

/** What an administrator verifies about a company. A change of one asks for it again. */
const VERIFIED_FIELDS = [
  'business_type',
  'business_name',
  'company_name',
  'country_code',
  'gst_number',
  'address',
  'establishment',
  'business_registration_certificate',
] as const satisfies readonly (keyof StatedProfile)[];

/**
 * Changes fields of a profile, with one event. `body` tells their spelling.
 * @throws InvalidFields, PreconditionFailed, VendorProfileNotFound
 */
export async function changeStoredProfile(
  { data }: Pick<UserContext, 'data'>,
  request: FastifyRequest,
  { found, fields, body }: { found: VendorProfile; fields: ProfileFields; body: object },
): Promise<{ row: VendorProfile; eventId: string }> {
  const { id: updatedBy } = principalOf(request);
  return data.inTransaction(request, async (trx, record) => {
    const { profile: current, user } = await lockProfileAndUser(trx, request, found);
    const profile = changeProfile(statedOf(current), fields, body);
    await claimFiles(trx, { owner: user.id, before: current, after: profile, body });
    const row = await updateProfile(trx, current.id, { profile, updatedBy });
    const reverify = user.is_profile_reverified && needsVerification(current, profile);
    await updateProfileStatus(trx, user, {
      is_profile_updated: true,
      is_profile_reverified: user.is_profile_reverified && !reverify,
    });
    const change = { fields: Object.keys(fields).toSorted(), reverify };
    return { row, eventId: await record(vendorProfileUpdated(row, change)) };
  });
}

const needsVerification = (before: StatedProfile, after: StatedProfile): boolean =>
  VERIFIED_FIELDS.some((name) => !isDeepStrictEqual(before[name], after[name]));
