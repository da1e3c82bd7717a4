import { isAllowed, type Principal } from '@muniment/security';
import type { VendorProfile } from '../../tables.ts';
import { toVendorProfileResource, type VendorProfileResource } from './vendor-profile-resource.ts';

/** What a caller sees of profiles. Owners see all of theirs, readers of the directory of any. */
export interface ProfileReader {
  /** Whether profiles of vendors who are not active are seen too. */
  seesUnlisted: boolean;
  canSee(profile: VendorProfile): boolean;
  show(profile: VendorProfile): VendorProfileResource;
}

/** By permission, not by role: an API token sees no more than its scopes. */
export function createProfileReader(principal: Principal): ProfileReader {
  const readsDirectory = isAllowed(principal, 'directory:read');
  const isOwn = (profile: VendorProfile): boolean => profile.user_id === principal.id;
  const seesAll = (profile: VendorProfile): boolean => readsDirectory || isOwn(profile);
  return {
    seesUnlisted: readsDirectory,
    canSee: (profile) => profile.is_listed || seesAll(profile),
    show: (profile) => toVendorProfileResource(profile, seesAll(profile) ? 'full' : 'public'),
  };
}
