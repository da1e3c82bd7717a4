import { principalOf } from '@muniment/security';
import { CursorInvalid, defineRoute, pageOf, pageQuery, toPage } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { createProfileReader } from './profile/profile-reader.ts';
import { readPageQuery } from './profile/read-page-query.ts';
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
      const reader = createProfileReader(principalOf(request));
      const rows = await selectProfiles(db, readPageQuery(request.query, reader)).execute();
      return toPage(rows, request.query.limit, reader.show);
    },
});
