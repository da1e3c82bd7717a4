import { defineRoute, idParams } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { VendorProfileNotFound } from '../errors.ts';
import { findVisibleProfile, showProfile } from './profile/show-profile.ts';
import { vendorProfileSchema } from './profile/vendor-profile-resource.ts';

export const getVendorProfile = defineRoute({
  method: 'GET',
  url: '/api/vendor-profiles/:id',
  operation: 'vendor-profiles.get_vendor_profile',
  summary: 'Get a vendor profile.',
  access: { permission: 'vendor-profiles:read' },
  params: idParams,
  response: { 200: vendorProfileSchema },
  sends: { 200: ['ETag', 'Last-Modified'] },
  errors: [VendorProfileNotFound],
  handler:
    ({ data: { db } }: Pick<UserContext, 'data'>) =>
    async (request, reply) =>
      showProfile(request, reply, await findVisibleProfile(db, request, { id: request.params.id })),
});
