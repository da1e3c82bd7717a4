import type { RequestEvent } from '@muniment/server';

interface ChangedProfile {
  id: string;
  /** Its vendor, who need not be the actor. */
  user_id: string;
}

/** Names of fields without their values: those are personal, and the trail stays for ever. */
const about = ({ id, user_id }: ChangedProfile, metadata: object = {}) => ({
  resource: id,
  resource_type: 'vendor_profile',
  metadata: { vendor: user_id, ...metadata },
});

export const vendorProfileCreated = (profile: ChangedProfile, fields: string[]): RequestEvent => ({
  action: 'VENDOR_PROFILE_CREATED',
  ...about(profile, { fields }),
});

/** `reverify`: the vendor's verification has ended, since what was verified has changed. */
export const vendorProfileUpdated = (
  profile: ChangedProfile,
  { fields, reverify }: { fields: string[]; reverify: boolean },
): RequestEvent => ({
  action: 'VENDOR_PROFILE_UPDATED',
  ...about(profile, { fields, ...(reverify && { reverify }) }),
});

export const vendorProfileDeleted = (profile: ChangedProfile): RequestEvent => ({
  action: 'VENDOR_PROFILE_DELETED',
  ...about(profile),
});
