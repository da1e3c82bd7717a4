import type { Kysely } from 'kysely';
import type { Tables } from '../../tables.ts';
import { EmailMalformed } from '../../errors.ts';
import { parseEmail } from '../email-address.ts';
import { parsePhoneNumber } from '../phone-number.ts';
import {
  countKnownLetters,
  countTerms,
  findUsersByTerms,
  parseQuery,
  type FoundUsers,
} from './search-queries.ts';
import { mayHaveTypo, typoVariants } from './typo-variants.ts';

/** Most users that a search ranks. */
export const MAX_CANDIDATES = 1_000;
/** Words of a query that count; the longest ones. */
const MAX_WORDS = 6;
/** Where so many fit as typed, a typo would only add noise. */
const ENOUGH = 50;
/** Bounds the terms that are read for several words, where no user has both. */
const MAX_SCAN = 10_000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const NUMBER = /^\+?[\d\s()./-]+$/;
const MIN_DIGITS = 4;

/** How well a user fits: its id, a whole word, a beginning, or a beginning with one typo. */
type Rank = 0 | 1 | 2 | 3;
export interface Candidate {
  id: string;
  rank: Rank;
}

export interface Candidates {
  /** The best first, of equals the newest. */
  ranked: Candidate[];
  /** Whether there may be others. */
  more: boolean;
}

/** The candidates that are found so far, each by its best rank. */
class Found {
  readonly ranks = new Map<string, Rank>();
  more = false;

  add(ids: readonly { id: string; rank: Rank }[], more: boolean): void {
    this.more ||= more;
    for (const { id, rank } of ids) {
      const known = this.ranks.get(id);
      if (known !== undefined) this.ranks.set(id, Math.min(known, rank) as Rank);
      else if (this.ranks.size < MAX_CANDIDATES) this.ranks.set(id, rank);
      else this.more = true;
    }
  }

  get isFull(): boolean {
    return this.ranks.size >= MAX_CANDIDATES;
  }
}

/** Finds users by an id, an address, a number, or the beginnings of words with one typo. */
export async function findCandidates(db: Kysely<Tables>, text: string): Promise<Candidates> {
  const found = new Found();
  const { ids, words } = await parseQuery(db, text, wholeMatchOf(text));
  found.add(
    ids.map((id) => ({ id, rank: 0 })),
    false,
  );
  const digits = numberTerms(text);
  if (digits.length > 0) found.add(...ranked(await findByOne(db, digits), [1, 2]));
  const counted = words.toSorted((a, b) => b.length - a.length).slice(0, MAX_WORDS);
  if (counted.length > 0) await addByWords(db, counted, found);
  const candidates = [...found.ranks].map(([id, rank]) => ({ id, rank }));
  return { ranked: candidates.toSorted(compareCandidates), more: found.more };
}

/** Ids are UUIDv7, so the newest has the greatest. */
export function compareCandidates(one: Candidate, other: Candidate): number {
  if (one.rank !== other.rank) return one.rank - other.rank;
  return one.id < other.id ? 1 : one.id > other.id ? -1 : 0;
}

function ranked({ users, more }: FoundUsers, [whole, part]: [Rank, Rank]): [Candidate[], boolean] {
  return [users.map((user) => ({ id: user.id, rank: user.whole ? whole : part })), more];
}

const findByOne = (db: Kysely<Tables>, beginnings: readonly string[]): Promise<FoundUsers> =>
  findUsersByTerms(db, {
    beginnings,
    others: [],
    // A user may have several such terms.
    scan: 2 * MAX_CANDIDATES,
    limit: MAX_CANDIDATES + 1,
  });

async function addByWords(
  db: Kysely<Tables>,
  words: readonly string[],
  found: Found,
): Promise<void> {
  const [driver = '', ...others] = words.length > 1 ? await rarestFirst(db, words) : words;
  const search = { others, scan: MAX_SCAN, limit: MAX_CANDIDATES + 1 };
  const exact =
    others.length === 0
      ? await findByOne(db, [driver])
      : await findUsersByTerms(db, { ...search, beginnings: [driver] });
  found.add(...ranked(exact, [1, 2]));
  if (found.ranks.size >= ENOUGH) return;
  const typed = words.filter(mayHaveTypo);
  const known = typed.length > 0 ? await countKnownLetters(db, typed) : [];
  for (const [index, word] of typed.entries()) {
    const beginnings = typoVariants(word, known[index] ?? 0);
    const rest = words.filter((other) => other !== word);
    const near = await findUsersByTerms(db, { ...search, beginnings, others: rest });
    found.add(...ranked(near, [3, 3]));
    if (found.isFull) return;
  }
}

/** The word with the fewest terms decides how many rows are read. */
async function rarestFirst(db: Kysely<Tables>, words: readonly string[]): Promise<string[]> {
  const counts = await countTerms(db, words, MAX_SCAN);
  const order = words.map((word, index) => ({ word, count: counts[index] ?? 0 }));
  return order.toSorted((a, b) => a.count - b.count).map(({ word }) => word);
}

function wholeMatchOf(text: string) {
  const trimmed = text.trim();
  return {
    id: UUID.test(trimmed) ? trimmed : null,
    emailKey: emailKeyOf(trimmed),
    externalId: trimmed,
    phone: parsePhoneNumber(trimmed)?.phone ?? null,
  };
}

function emailKeyOf(text: string): string | null {
  try {
    return text.includes('@') ? parseEmail(text).emailKey : null;
  } catch (error) {
    if (error instanceof EmailMalformed) return null;
    throw error;
  }
}

/** A number as terms hold it: from the front, and from behind without the zero of a trunk. */
function numberTerms(text: string): string[] {
  if (!NUMBER.test(text.trim())) return [];
  const digits = text.replaceAll(/\D/g, '').replace(/^0+/, '');
  if (digits.length < MIN_DIGITS) return [];
  return [digits, `<${Array.from(digits).reverse().join('')}`];
}
