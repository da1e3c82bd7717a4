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
const entries = ({ words: [first], after }: ProfileSearch) => sql`
  select t.term, t.profile_id from identity.vendor_profile_terms t
  where ${begins('t.term', first)}
    ${after ? sql`and (t.term, t.profile_id) > (${after.term}, ${after.id}::uuid)` : sql``}
  order by t.term, t.profile_id`;

/**
 * A profile is found at its first matching word only, so that no page repeats it. The limits within
 * keep PostgreSQL from joining whole tables: each entry is judged by two look-ups, in order, until
 * the page is full.
 */
export function selectFoundProfiles(search: ProfileSearch) {
  const { words, limit, unlisted } = search;
  const [first, ...others] = words;
  const conditions = others.map(
    (word) => sql`and (select true from identity.vendor_profile_terms o
      where o.profile_id = e.profile_id and ${begins('o.term', word)} limit 1)`,
  );
  return sql<FoundProfile>`
    select e.term, p.* from (${entries(search)} limit ${SCAN_LIMIT}) e
    cross join lateral (select * from identity.vendor_profiles v
      where v.id = e.profile_id limit 1) p
    where ${unlisted ? sql`true` : sql`p.is_listed`}
      and e.term = (select f.term from identity.vendor_profile_terms f
        where f.profile_id = e.profile_id and f.term >= ${first} order by f.term limit 1)
      ${sql.join(conditions, sql` `)}
    order by e.term, e.profile_id limit ${limit}`;
}

/** The last place that a page has read; undefined where nothing is behind it. */
export async function findScanEnd(
  db: Kysely<Tables>,
  search: ProfileSearch,
): Promise<SearchPlace | undefined> {
  const { rows } = await sql<{ term: string; profile_id: string }>`
    ${entries(search)} offset ${SCAN_LIMIT - 1} limit 2`.execute(db);
  return rows[0] && rows[1] && { term: rows[0].term, id: rows[0].profile_id };
}
