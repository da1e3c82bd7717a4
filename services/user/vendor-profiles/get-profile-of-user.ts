import { Type } from 'typebox';
import { defineRoute, uuid } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { VendorProfileNotFound } from '../errors.ts';
import { findVisibleProfile, showProfile } from './profile/show-profile.ts';
import { vendorProfileSchema } from './profile/vendor-profile-resource.ts';

/** Gets a profile by its vendor's id. */
export const getProfileOfUser = defineRoute({
  method: 'GET',
  url: '/api/vendor-profiles/user/:userId',
  operation: 'vendor-profiles.get_profile_of_user',
  summary: 'Get the profile of a vendor by the id of the user.',
  access: { permission: 'vendor-profiles:read' },
  params: Type.Object({
    userId: Type.String({ ...uuid, description: "The `id` of the vendor's user." }),
  }),
  response: { 200: vendorProfileSchema },
  sends: { 200: ['ETag', 'Last-Modified'] },
  errors: [VendorProfileNotFound],
  handler:
    ({ data: { db } }: Pick<UserContext, 'data'>) =>
    async (request, reply) =>
      showProfile(
        request,
        reply,
        await findVisibleProfile(db, request, { user_id: request.params.userId }),
      ),
});
