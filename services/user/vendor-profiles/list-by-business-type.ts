import { Type } from 'typebox';
import { CursorInvalid, defineRoute, pageOf, pageQuery } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { readProfilePage } from './profile/read-profile-page.ts';
import { selectProfilesByType } from './profile/vendor-profile-queries.ts';
import { vendorProfileSchema } from './profile/vendor-profile-resource.ts';

/** Case, accents and the order of words do not count. */
export const listByBusinessType = defineRoute({
  method: 'GET',
  url: '/api/vendor-profiles/by-business-type/:type',
  operation: 'vendor-profiles.list_by_business_type',
  summary: 'List the vendor profiles of a business type, newest first.',
  access: { permission: 'vendor-profiles:read' },
  params: Type.Object({
    type: Type.String({
      minLength: 1,
      maxLength: 100,
      description: 'As `Technology`. Case, accents and the order of words do not count.',
    }),
  }),
  query: pageQuery({}),
  response: { 200: pageOf(vendorProfileSchema) },
  errors: [CursorInvalid],
  handler:
    ({ data: { db } }: Pick<UserContext, 'data'>) =>
    async (request) => {
      const type = request.params.type.trim();
      return readProfilePage(request, request.query, (page) =>
        selectProfilesByType(db, type, page),
      );
    },
});
