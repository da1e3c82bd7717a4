import { Type } from 'typebox';
import { principalOf } from '@muniment/security';
import {
  CursorInvalid,
  defineRoute,
  InvalidFields,
  pageOf,
  pageQuery,
  toPage,
} from '@muniment/server';
import type { UserContext } from '../context.ts';
import { findCountry } from './fields/country.ts';
import { createProfileReader } from './profile/profile-reader.ts';
import { readPageQuery } from './profile/read-page-query.ts';
import { selectProfilesByCountry } from './profile/vendor-profile-queries.ts';
import { vendorProfileSchema } from './profile/vendor-profile-resource.ts';

/** Any form of a country finds all: `IN`, `IND` and `India` are one. */
export const listByCountry = defineRoute({
  method: 'GET',
  url: '/api/vendor-profiles/by-country/:country',
  operation: 'vendor-profiles.list_by_country',
  summary: 'List the vendor profiles of a country, newest first.',
  access: { permission: 'vendor-profiles:read' },
  params: Type.Object({ country: Type.String({ minLength: 1, maxLength: 100 }) }),
  query: pageQuery({}),
  response: { 200: pageOf(vendorProfileSchema) },
  errors: [CursorInvalid],
  handler:
    ({ data: { db } }: Pick<UserContext, 'data'>) =>
    async (request) => {
      const code = findCountry(request.params.country);
      if (code === undefined)
        throw new InvalidFields([{ pointer: '/params/country', message: 'is no country' }]);
      const reader = createProfileReader(principalOf(request));
      const page = readPageQuery(request.query, reader);
      const rows = await selectProfilesByCountry(db, code, page).execute();
      return toPage(rows, request.query.limit, reader.show);
    },
});
