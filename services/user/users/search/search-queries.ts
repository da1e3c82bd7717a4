import { sql, type Kysely, type RawBuilder } from 'kysely';
import type { Tables } from '../../tables.ts';

/** Behind every term with a beginning: the last code point, in the order of bytes. */
const LAST = String.fromCodePoint(0x10_ff_ff);

/**
 * Terms with a beginning. Each read of them says its order and a limit: the planner walked all of
 * the primary key else, a second among a million users.
 */
const beginsWith = (alias: string, beginning: RawBuilder<string>): RawBuilder<boolean> => {
  const term = sql.ref(`${alias}.term`);
  return sql<boolean>`${term} >= ${beginning} and ${term} < ${beginning} || ${LAST}`;
};

/** Terms of one word that are read as a list, 0.2 µs each among a million users. */
export const MAX_LISTED = 20_000;

/** Another word that a found user must have. */
export interface OtherWord {
  word: string;
  /** Whether its users are read as a list. Else each found user is looked up, by primary key. */
  isListed: boolean;
}

const hasOther = ({ word, isListed }: OtherWord): RawBuilder<boolean> =>
  isListed
    ? sql<boolean>`d.user_id in (select l.user_id from identity.user_terms l
        where ${beginsWith('l', sql`${word}::text`)} order by l.term limit ${MAX_LISTED})`
    : // The limit keeps PostgreSQL from joining all users with a common word.
      sql<boolean>`(select true from identity.user_terms o
        where o.user_id = d.user_id and ${beginsWith('o', sql`${word}::text`)} limit 1)`;

/** What a text may be as a whole. */
export interface WholeMatch {
  id: string | null;
  emailKey: string | null;
  externalId: string;
  phone: string | null;
}

export interface ParsedQuery {
  /** Users whose id, address, number or other system's id the text is. */
  ids: string[];
  /** The folded words of the text. */
  words: string[];
}

/** Folds a query as terms are folded, and finds whose it is as a whole. */
export async function parseQuery(
  db: Kysely<Tables>,
  text: string,
  { id, emailKey, externalId, phone }: WholeMatch,
): Promise<ParsedQuery> {
  const { rows } = await sql<ParsedQuery>`
    select identity.fold_words(${text}) as words, array(
      select id from identity.users where id = ${id}::uuid and not service
      union select id from identity.users where email_key = ${emailKey} and not service
      union select id from identity.users where external_id = ${externalId} and not service
      union (select id from identity.users where phone = ${phone} and not service limit 1000)
    )::text[] as ids`.execute(db);
  return rows[0] ?? { ids: [], words: [] };
}

/** How many terms begin with each word, up to `limit`. */
export async function countTerms(
  db: Kysely<Tables>,
  words: readonly string[],
  limit: number,
): Promise<number[]> {
  const { rows } = await sql<{ count: number }>`
    select (select count(*)::integer from (
      select from identity.user_terms t where ${beginsWith('t', sql`w.word`)}
      order by t.term limit ${limit}) few) as count
    from unnest(${words}::text[]) with ordinality w (word, at) order by w.at`.execute(db);
  return rows.map(({ count }) => count);
}

/** How many letters of each word begin some term. */
export async function countKnownLetters(
  db: Kysely<Tables>,
  words: readonly string[],
): Promise<number[]> {
  const { rows } = await sql<{ known: number }>`
    select coalesce((select max(l.length) from generate_series(1, length(w.word)) l (length)
      where (select true from identity.user_terms t
        where ${beginsWith('t', sql`left(w.word, l.length)`)} order by t.term limit 1)), 0)::integer
      as known
    from unnest(${words}::text[]) with ordinality w (word, at) order by w.at`.execute(db);
  return rows.map(({ known }) => known);
}

export interface TermSearch {
  /** Beginnings of which one must fit. */
  beginnings: readonly string[];
  /** Beginnings that must fit besides. */
  others: readonly OtherWord[];
  /** Most terms that are read. */
  scan: number;
  /** Most users that are found. */
  limit: number;
}

export interface FoundUsers {
  users: { id: string; whole: boolean }[];
  /** Whether there may be more than were read. */
  more: boolean;
}

/** Finds users by the beginnings of their terms: bounded reads of an index. */
export async function findUsersByTerms(
  db: Kysely<Tables>,
  { beginnings, others, scan, limit }: TermSearch,
): Promise<FoundUsers> {
  // One row even without users: else a read that ended at `scan` would seem complete.
  const { rows } = await sql<{ users: FoundUsers['users']; scanned: number }>`
    with d as materialized (
      select m.user_id, m.whole
      from unnest(${beginnings}::text[]) b (beginning) cross join lateral (
        select t.user_id, t.term = b.beginning as whole from identity.user_terms t
        where ${beginsWith('t', sql`b.beginning`)} order by t.term limit ${scan}) m
      limit ${scan}), u as (
      select d.user_id as id, bool_or(d.whole) as whole
      from d where ${sql.join([sql`true`, ...others.map(hasOther)], sql` and `)}
      group by d.user_id order by bool_or(d.whole) desc limit ${limit})
    select (select count(*)::integer from d) as scanned,
      coalesce((select json_agg(u) from u), '[]') as users`.execute(db);
  const { users, scanned } = rows[0] ?? { users: [], scanned: 0 };
  return { users, more: scanned >= scan || users.length >= limit };
}
