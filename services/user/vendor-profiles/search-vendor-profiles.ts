import { Type } from 'typebox';
import { principalOf } from '@muniment/security';
import {
  createBoundCursors,
  CURSOR_DESCRIPTION,
  CursorInvalid,
  defineRoute,
  pageOf,
  pageQuery,
} from '@muniment/server';
import type { UserContext } from '../context.ts';
import { createProfileReader } from './profile/profile-reader.ts';
import { vendorProfileSchema } from './profile/vendor-profile-resource.ts';
import { findSearchPage, foldWords, type SearchPlace } from './search/profile-term-queries.ts';

/** Each word costs a look-up for each entry that a page reads. Shorter words beyond do not count. */
const MAX_WORDS = 8;

const querySchema = pageQuery({
  q: Type.String({
    minLength: 1,
    maxLength: 200,
    description:
      'Beginnings of words of public fields. All must be found, in any order; of more than eight ' +
      'the longest eight.',
  }),
  cursor: Type.Optional(Type.String({ maxLength: 300, description: CURSOR_DESCRIPTION })),
});

/** Case and accents do not count. A page may be short and still have a next one. */
export const searchVendorProfiles = defineRoute({
  method: 'GET',
  url: '/api/vendor-profiles/search',
  operation: 'vendor-profiles.search_vendor_profiles',
  summary: 'Search vendor profiles by the beginnings of words.',
  access: { permission: 'vendor-profiles:read' },
  query: querySchema,
  response: { 200: pageOf(vendorProfileSchema) },
  errors: [CursorInvalid],
  handler: ({ data: { db }, limits }: Pick<UserContext, 'data' | 'limits'>) => {
    const cursors = createBoundCursors(limits.secret('vendor-profile-cursors'));
    return async (request) => {
      const { q, limit, cursor } = request.query;
      const reader = createProfileReader(principalOf(request));
      const [first, ...others] = (await foldWords(db, q)).slice(0, MAX_WORDS);
      if (first === undefined) return { data: [], next_cursor: null };
      const words = [first, ...others] as const;
      const boundTo = { list: 'vendor-profiles.search', words: [...words] };
      const after = cursor === undefined ? undefined : toPlace(cursors.open(cursor, boundTo));
      const { seesUnlisted: unlisted } = reader;
      const { rows, end } = await findSearchPage(db, { words, after, limit, unlisted });
      return {
        data: rows.map(({ term: _term, ...row }) => reader.show(row)),
        next_cursor: end ? cursors.seal([end.term, end.id], boundTo) : null,
      };
    };
  },
});

const toPlace = ([term = '', id = '']: string[]): SearchPlace => ({ term, id });
