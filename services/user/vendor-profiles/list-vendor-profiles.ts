import { CursorInvalid, defineRoute, pageOf, pageQuery } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { readProfilePage } from './profile/read-profile-page.ts';
import { selectProfiles } from './profile/vendor-profile-queries.ts';
import { vendorProfileSchema } from './profile/vendor-profile-resource.ts';

export const listVendorProfiles = defineRoute({
  method: 'GET',
  url: '/api/vendor-profiles',
  operation: 'vendor-profiles.list_vendor_profiles',
  summary: 'List vendor profiles, newest first.',
  access: { permission: 'vendor-profiles:read' },
  query: pageQuery({}),
  response: { 200: pageOf(vendorProfileSchema) },
  errors: [CursorInvalid],
  handler:
    ({ data: { db } }: Pick<UserContext, 'data'>) =>
    async (request) => {
      return readProfilePage(request, request.query, (page) => selectProfiles(db, page));
    },
});
