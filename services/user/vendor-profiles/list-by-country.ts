import { Type } from 'typebox';
import { CursorInvalid, defineRoute, InvalidFields, pageOf, pageQuery } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { findCountry } from '../users/countries/country.ts';
import { readProfilePage } from './profile/read-profile-page.ts';
import { selectProfilesByCountry } from './profile/vendor-profile-queries.ts';
import { vendorProfileSchema } from './profile/vendor-profile-resource.ts';

/** Any form of a country finds all: `IN`, `IND` and `India` are one. */
export const listByCountry = defineRoute({
  method: 'GET',
  url: '/api/vendor-profiles/by-country/:country',
  operation: 'vendor-profiles.list_by_country',
  summary: 'List the vendor profiles of a country, newest first.',
  access: { permission: 'vendor-profiles:read' },
  params: Type.Object({
    country: Type.String({
      minLength: 1,
      maxLength: 100,
      description:
        'An ISO 3166 code, an ISO name or an English name: `US`, `USA`, `United States`.',
    }),
  }),
  query: pageQuery({}),
  response: { 200: pageOf(vendorProfileSchema) },
  errors: [CursorInvalid],
  handler:
    ({ data: { db } }: Pick<UserContext, 'data'>) =>
    async (request) => {
      const code = findCountry(request.params.country);
      if (code === undefined)
        throw new InvalidFields([{ pointer: '/params/country', message: 'is no country' }]);
      return readProfilePage(request, request.query, (page) =>
        selectProfilesByCountry(db, code, page),
      );
    },
});
