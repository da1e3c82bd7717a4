import { Type } from 'typebox';
import { principalOf } from '@muniment/security';
import { CursorInvalid, defineRoute, pageOf, pageQuery, toPage } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { createProfileReader } from './profile/profile-reader.ts';
import { readPageQuery } from './profile/read-page-query.ts';
import { selectProfilesByType } from './profile/vendor-profile-queries.ts';
import { vendorProfileSchema } from './profile/vendor-profile-resource.ts';

/** Case, accents and the order of words do not count. */
export const listByBusinessType = defineRoute({
  method: 'GET',
  url: '/api/vendor-profiles/by-business-type/:type',
  operation: 'vendor-profiles.list_by_business_type',
  summary: 'List the vendor profiles of a business type, newest first.',
  access: { permission: 'vendor-profiles:read' },
  params: Type.Object({ type: Type.String({ minLength: 1, maxLength: 100 }) }),
  query: pageQuery({}),
  response: { 200: pageOf(vendorProfileSchema) },
  errors: [CursorInvalid],
  handler:
    ({ data: { db } }: Pick<UserContext, 'data'>) =>
    async (request) => {
      const reader = createProfileReader(principalOf(request));
      const page = readPageQuery(request.query, reader);
      const rows = await selectProfilesByType(db, request.params.type.trim(), page).execute();
      return toPage(rows, request.query.limit, reader.show);
    },
});
