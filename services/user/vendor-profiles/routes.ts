import { acceptForms, defineFeature } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { createVendorProfile } from './create-vendor-profile.ts';
import { deleteVendorProfile } from './delete-vendor-profile.ts';
import { getProfileOfUser } from './get-profile-of-user.ts';
import { getVendorProfile } from './get-vendor-profile.ts';
import { listByBusinessType } from './list-by-business-type.ts';
import { listByCountry } from './list-by-country.ts';
import { listVendorProfiles } from './list-vendor-profiles.ts';
import { searchVendorProfiles } from './search-vendor-profiles.ts';
import { updateProfileFiles } from './update-profile-files.ts';
import { updateVendorProfile } from './update-vendor-profile.ts';

/** The companies of vendors, whom every signed-in user may find. */
export const vendorProfiles = defineFeature<UserContext>({
  async plugins(app) {
    acceptForms(app);
  },
  signedIn: [
    listVendorProfiles,
    searchVendorProfiles,
    listByBusinessType,
    listByCountry,
    getProfileOfUser,
    getVendorProfile,
    createVendorProfile,
    updateVendorProfile,
    updateProfileFiles,
    deleteVendorProfile,
  ],
});
