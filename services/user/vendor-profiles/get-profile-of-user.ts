import { Type } from 'typebox';
import { principalOf } from '@muniment/security';
import { defineRoute, uuid, validatorFields } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { VendorProfileNotFound } from '../errors.ts';
import { createProfileReader } from './profile/profile-reader.ts';
import { findProfile } from './profile/vendor-profile-queries.ts';
import { profileValidators, vendorProfileSchema } from './profile/vendor-profile-resource.ts';

/** Gets a profile by its vendor's id. */
export const getProfileOfUser = defineRoute({
  method: 'GET',
  url: '/api/vendor-profiles/user/:userId',
  operation: 'vendor-profiles.get_profile_of_user',
  summary: 'Get the profile of a vendor by the id of the user.',
  access: { permission: 'vendor-profiles:read' },
  params: Type.Object({ userId: uuid }),
  response: { 200: vendorProfileSchema },
  errors: [VendorProfileNotFound],
  handler:
    ({ data: { db } }: Pick<UserContext, 'data'>) =>
    async (request, reply) => {
      const reader = createProfileReader(principalOf(request));
      const profile = await findProfile(db, { user_id: request.params.userId });
      if (!profile || !reader.canSee(profile)) throw new VendorProfileNotFound();
      const resource = reader.show(profile);
      reply.headers(validatorFields(profileValidators(profile, resource)));
      return resource;
    },
});
