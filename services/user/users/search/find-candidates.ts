import { isUuid } from '@muniment/server';
import type { Kysely } from 'kysely';
import type { Tables } from '../../tables.ts';
import { EmailMalformed } from '../../errors.ts';
import { parseEmail } from '../email-address.ts';
import { parsePhoneNumber } from '../phone-number.ts';
import {
  countKnownLetters,
  countTerms,
  findUsersByTerms,
  MAX_LISTED,
  parseQuery,
  type FoundUsers,
} from './search-queries.ts';
import { mayHaveTypo, typoVariants } from './typo-variants.ts';

/** Most users that a search ranks. */
export const MAX_CANDIDATES = 1_000;
/** Words of a query that count; the longest ones. */
const MAX_WORDS = 6;
/** Where so many fit a word as typed, a typo would only add noise. Of several words, one user. */
const ENOUGH = 50;
/** Users whose other words are looked up one by one, 10 µs each. */
const MAX_PROBED = 1_000;
/** So few look-ups cost less than lists, and than to ask how long these are. */
const FEW = 300;
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
  const whole = wholeMatchOf(text);
  const { ids, words } = await parseQuery(db, text, whole);
  found.add(
    ids.map((id) => ({ id, rank: 0 })),
    false,
  );
  // An id or an address names one user, and its words would find only others.
  if (ids.length > 0 && (whole.id !== null || whole.emailKey !== null))
    return { ranked: ids.map((id) => ({ id, rank: 0 })), more: false };
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
  const counted = words.length > 1 ? await rarestFirst(db, words) : [];
  const [driver = words[0] ?? '', ...others] = counted.map(({ word }) => word);
  const isFew = (counted[0]?.count ?? 0) <= FEW;
  found.add(...ranked(await findByAll(db, { beginnings: [driver], others, isFew }), [1, 2]));
  if (found.ranks.size >= (others.length > 0 ? 1 : ENOUGH)) return;
  // A word that no user has is the one with the error, and two errors find nothing.
  const unknown = counted.filter(({ count }) => count === 0).map(({ word }) => word);
  if (unknown.length > 1) return;
  const typed = (unknown.length > 0 ? unknown : words).filter(mayHaveTypo);
  const known = typed.length > 0 ? await countKnownLetters(db, typed) : [];
  for (const [index, word] of typed.entries()) {
    const beginnings = typoVariants(word, known[index] ?? 0);
    const rest = words.filter((other) => other !== word);
    const near = await findByAll(db, { beginnings, others: rest, isFew: true });
    found.add(...ranked(near, [3, 3]));
    if (found.isFull) return;
  }
}

interface Wanted {
  beginnings: readonly string[];
  /** Beginnings that must fit besides. */
  others: readonly string[];
  /** Whether few terms are likely to have the beginnings. */
  isFew: boolean;
}

/** Finds users by one of the beginnings and all other words. */
async function findByAll(
  db: Kysely<Tables>,
  { beginnings, others, isFew }: Wanted,
): Promise<FoundUsers> {
  if (others.length === 0) return findByOne(db, beginnings);
  const search = { beginnings, limit: MAX_CANDIDATES + 1 };
  if (isFew) {
    const probed = others.map((word) => ({ word, isListed: false }));
    const few = await findUsersByTerms(db, { ...search, others: probed, scan: FEW + 1 });
    if (!few.more) return few;
  }
  const counts = await countTerms(db, others, MAX_LISTED);
  const rest = others.map((word, index) => ({ word, isListed: (counts[index] ?? 0) < MAX_LISTED }));
  const scan = rest.every(({ isListed }) => isListed) ? MAX_LISTED : MAX_PROBED;
  return findUsersByTerms(db, { ...search, others: rest, scan });
}

interface CountedWord {
  word: string;
  /** How many terms begin with it, up to a bound. */
  count: number;
}

/** The word with the fewest terms decides how many rows are read. */
async function rarestFirst(db: Kysely<Tables>, words: readonly string[]): Promise<CountedWord[]> {
  const counts = await countTerms(db, words, MAX_PROBED);
  const counted = words.map((word, index) => ({ word, count: counts[index] ?? 0 }));
  return counted.toSorted((a, b) => a.count - b.count);
}

function wholeMatchOf(text: string) {
  const trimmed = text.trim();
  return {
    id: isUuid(trimmed) ? trimmed : null,
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
