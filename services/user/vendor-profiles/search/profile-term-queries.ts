import { sql, type Kysely } from 'kysely';
import type { Tables, VendorProfile } from '../../tables.ts';

/** Index entries that one page may read. Past it a page ends early, and the next one continues. */
export const SCAN_LIMIT = 2_000;

/** The place of a profile in the order of a search: by the word that was found, then by id. */
export interface SearchPlace {
  term: string;
  id: string;
}

/** A profile with the word that was found. */
export type FoundProfile = VendorProfile & { term: string };

export interface ProfileSearch {
  /** Folded beginnings of words, the longest first. All must be found. */
  words: readonly [string, ...string[]];
  after: SearchPlace | undefined;
  limit: number;
  /** Whether profiles of vendors who are not active are found too. */
  unlisted: boolean;
}

/** Above every word, whose order is that of the code points. */
const END = '\u{10ffff}';

/** Folds a text as the index was. @returns its words, the longest first */
export async function foldWords(db: Kysely<Tables>, text: string): Promise<string[]> {
  const { rows } = await sql<{ words: string[] }>`
    select identity.fold_words(${text}) as words`.execute(db);
  const words = rows[0]?.words ?? [];
  return words.toSorted((one, other) => other.length - one.length);
}

const begins = (column: string, word: string) =>
  sql`${sql.ref(column)} >= ${word} and ${sql.ref(column)} < ${word + END}`;

/** The index entries of the first word, in the order of the search. */
const entries = ({ words: [first], after }: Pick<ProfileSearch, 'words' | 'after'>) => sql`
  select t.term, t.profile_id from identity.vendor_profile_terms t
  where ${begins('t.term', first)}
    ${after ? sql`and (t.term, t.profile_id) > (${after.term}, ${after.id}::uuid)` : sql``}
  order by t.term, t.profile_id`;

/**
 * A profile is found at its first matching word only, so that no page repeats it. The limits within
 * keep PostgreSQL from joining whole tables: each entry is judged by two look-ups, in order, until
 * the page is full.
 */
function foundProfiles({ words, after, limit, unlisted }: ProfileSearch) {
  const [first, ...others] = words;
  const conditions = others.map(
    (word) => sql`and (select true from identity.vendor_profile_terms o
      where o.profile_id = e.profile_id and ${begins('o.term', word)} limit 1)`,
  );
  return sql`
    select e.term, p.* from (${entries({ words, after })} limit ${SCAN_LIMIT}) e
    cross join lateral (select * from identity.vendor_profiles v
      where v.id = e.profile_id limit 1) p
    where ${unlisted ? sql`true` : sql`p.is_listed`}
      and e.term = (select f.term from identity.vendor_profile_terms f
        where f.profile_id = e.profile_id and f.term >= ${first} order by f.term limit 1)
      ${sql.join(conditions, sql` `)}
    order by e.term, e.profile_id limit ${limit}`;
}

/** One row of a search; without a profile where it found none. */
type SearchRow = (FoundProfile | { [Name in keyof FoundProfile]: null }) & {
  /** The last place that was read and the one behind it, where the page is short. */
  scan_end: [last: { term: string; id: string }, next?: object] | null;
};

/**
 * The profiles of a search, and where it stopped reading. One statement, so one snapshot: between
 * two, a write would move the place, and the next page would skip or repeat. Only a short page
 * reads its entries once more, for their end.
 */
export function selectSearchPage(search: ProfileSearch) {
  return sql<SearchRow>`
    with found as materialized (${foundProfiles(search)}),
    scan as (
      select json_agg(json_build_object('term', s.term, 'id', s.profile_id)
        order by s.term, s.profile_id) as scan_end
      from (${entries(search)} offset ${SCAN_LIMIT - 1} limit 2) s
      where (select count(*) from found) < ${search.limit})
    select scan.scan_end, found.* from scan left join found on true
    order by found.term, found.id`;
}

/** The profiles of a page, and where the next one continues; undefined behind the last. */
export async function findSearchPage(
  db: Kysely<Tables>,
  search: ProfileSearch,
): Promise<{ rows: FoundProfile[]; end: SearchPlace | undefined }> {
  const { limit } = search;
  const read = await selectSearchPage({ ...search, limit: limit + 1 }).execute(db);
  const found = read.rows.flatMap(({ scan_end: _end, ...row }) => (row.id === null ? [] : [row]));
  const rows = found.slice(0, limit);
  const [last, next] = read.rows[0]?.scan_end ?? [];
  if (found.length > limit) return { rows, end: rows.at(-1) };
  return { rows, end: next && last };
}
