import { principalOf } from '@muniment/security';
import { defineRoute, idParams, validatorFields } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { VendorProfileNotFound } from '../errors.ts';
import { createProfileReader } from './profile/profile-reader.ts';
import { findProfile } from './profile/vendor-profile-queries.ts';
import { profileValidators, vendorProfileSchema } from './profile/vendor-profile-resource.ts';

export const getVendorProfile = defineRoute({
  method: 'GET',
  url: '/api/vendor-profiles/:id',
  operation: 'vendor-profiles.get_vendor_profile',
  summary: 'Get a vendor profile.',
  access: { permission: 'vendor-profiles:read' },
  params: idParams,
  response: { 200: vendorProfileSchema },
  errors: [VendorProfileNotFound],
  handler:
    ({ data: { db } }: Pick<UserContext, 'data'>) =>
    async (request, reply) => {
      const reader = createProfileReader(principalOf(request));
      const profile = await findProfile(db, { id: request.params.id });
      if (!profile || !reader.canSee(profile)) throw new VendorProfileNotFound();
      const resource = reader.show(profile);
      reply.headers(validatorFields(profileValidators(profile, resource)));
      return resource;
    },
});
