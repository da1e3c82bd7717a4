import { Type } from 'typebox';
import { principalOf } from '@muniment/security';
import { CursorInvalid, defineRoute, pageOf, strictObject } from '@muniment/server';
import type { Kysely } from 'kysely';
import type { UserContext } from '../context.ts';
import type { Tables } from '../tables.ts';
import { createProfileReader, type ProfileReader } from './profile/profile-reader.ts';
import {
  vendorProfileSchema,
  type VendorProfileResource,
} from './profile/vendor-profile-resource.ts';
import {
  findScanEnd,
  foldWords,
  selectFoundProfiles,
  type ProfileSearch,
} from './search/profile-term-queries.ts';
import { decodeSearchCursor, encodeSearchCursor } from './search/search-cursor.ts';

/** More words than these cost more and find no less. */
const MAX_WORDS = 8;

const querySchema = strictObject({
  q: Type.String({
    minLength: 1,
    maxLength: 200,
    description: 'Beginnings of words of public fields. All must be found, in any order.',
  }),
  limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
  cursor: Type.Optional(Type.String({ maxLength: 256 })),
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
  handler:
    ({ data: { db } }: Pick<UserContext, 'data'>) =>
    async (request) => {
      const { q, limit, cursor } = request.query;
      const reader = createProfileReader(principalOf(request));
      const [first, ...others] = (await foldWords(db, q)).slice(0, MAX_WORDS);
      if (first === undefined) return { data: [], next_cursor: null };
      const after = cursor === undefined ? undefined : decodeSearchCursor(cursor, first);
      const { seesUnlisted: unlisted } = reader;
      return readPage(db, reader, { words: [first, ...others], after, limit, unlisted });
    },
});

async function readPage(
  db: Kysely<Tables>,
  reader: ProfileReader,
  search: ProfileSearch,
): Promise<{ data: VendorProfileResource[]; next_cursor: string | null }> {
  const { limit } = search;
  const found = await selectFoundProfiles({ ...search, limit: limit + 1 }).execute(db);
  const rows = found.rows.slice(0, limit);
  const last = found.rows.length > limit ? rows.at(-1) : undefined;
  const end = last ?? (await findScanEnd(db, search));
  const data = rows.map(({ term: _term, ...row }) => reader.show(row));
  return { data, next_cursor: end ? encodeSearchCursor(end) : null };
}
