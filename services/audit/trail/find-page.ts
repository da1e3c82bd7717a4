import type { Kysely } from 'kysely';
import type { Json } from '@muniment/audit-events';
import type { Tables } from '../tables.ts';
import { cursorBinding, decodeListCursor, encodeListCursor } from './cursor.ts';
import { findLogEnd, listByIndex, listNewestFirst, type LoggedEvent } from './log-queries.ts';
import type { LogQuery } from './log-query.ts';

/** Entries that a page by index examines, 3 µs each: a rare filter must not make a page slow. */
const MAX_EXAMINED = 500;

/** Candidates between two looks at the clock, at 3 µs each. */
export const EXAMINE_BATCH = 10_000;
/** For so long one page looks for entries. The statement's time-out would make a 503 of it. */
const EXAMINE_MS = 250;

export interface Page {
  events: LoggedEvent[];
  /** Where the next page begins; undefined after the last. */
  next?: { cursor: string } | { after: number };
  /** By index: where a poller that has read to the end continues later. */
  resume?: { after: number };
}

interface TimePage {
  cursor?: string;
  limit: number;
  boundTo: Json;
  /** Tests examine fewer candidates, in less time. */
  examine?: number;
  examineMs?: number;
}

/**
 * A page newest first. Filters that are each common and rarely meet make it short or empty; the next
 * page continues where it ended.
 * @throws CursorInvalid
 */
export async function findPageByTime(
  db: Kysely<Tables>,
  log: LogQuery,
  { cursor: given, limit, boundTo, examine = EXAMINE_BATCH, examineMs = EXAMINE_MS }: TimePage,
): Promise<Page> {
  const deadline = performance.now() + examineMs;
  const binding = cursorBinding(boundTo);
  const cursor = given === undefined ? undefined : decodeListCursor(given, binding);
  const { size, before } = cursor ? { size: cursor.size, before: cursor.id } : await findLogEnd(db);
  const next = (id: string) => ({ cursor: encodeListCursor({ size, id }, binding) });
  const found: LoggedEvent[] = [];
  let end: string | undefined = before;
  while (end !== undefined && found.length <= limit) {
    if (end !== before && performance.now() > deadline) return { events: found, next: next(end) };
    const part = { size, before: end, limit: limit + 1 - found.length, examine };
    const { events, examinedTo } = await listNewestFirst(db, log, part);
    found.push(...events);
    end = examinedTo;
  }
  const events = found.slice(0, limit);
  const last = found.length > limit ? events.at(-1) : undefined;
  return last ? { events, next: next(last.id) } : { events };
}

/** A page by index, oldest first. */
export async function findPageByIndex(
  db: Kysely<Tables>,
  log: LogQuery,
  { after, limit }: { after?: number; limit: number },
): Promise<Page> {
  const { size } = await findLogEnd(db);
  const from = after === undefined ? 0 : after + 1;
  const to = Math.min(size, from + MAX_EXAMINED);
  const found = await listByIndex(db, log, { from, to, limit: limit + 1 });
  const events = found.slice(0, limit);
  const examined = found.length > events.length ? (events.at(-1)?.index ?? to - 1) : to - 1;
  if (examined < size - 1) return { events, next: { after: examined } };
  return { events, ...(size > 0 && { resume: { after: Math.max(examined, after ?? 0) } }) };
}
