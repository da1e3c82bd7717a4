import type { Kysely } from 'kysely';
import type { Json } from '@muniment/audit-events';
import type { Tables } from '../tables.ts';
import { cursorBinding, decodeListCursor, encodeListCursor } from './cursor.ts';
import { findLogEnd, listByIndex, listNewestFirst, type LoggedEvent } from './log-queries.ts';
import type { LogQuery } from './log-query.ts';

/** Entries that a page by index examines, 3 µs each: a rare filter must not make a page slow. */
const MAX_EXAMINED = 500;

export interface Page {
  events: LoggedEvent[];
  /** Where the next page begins; undefined after the last. */
  next?: { cursor: string } | { after: number };
  /** By index: where a poller that has read to the end continues later. */
  resume?: { after: number };
}

/** A page newest first. @throws CursorInvalid */
export async function findPageByTime(
  db: Kysely<Tables>,
  log: LogQuery,
  { cursor: given, limit, boundTo }: { cursor?: string; limit: number; boundTo: Json },
): Promise<Page> {
  const binding = cursorBinding(boundTo);
  const cursor = given === undefined ? undefined : decodeListCursor(given, binding);
  const { size, before } = cursor ? { size: cursor.size, before: cursor.id } : await findLogEnd(db);
  const found = await listNewestFirst(db, log, { size, before, limit: limit + 1 });
  const events = found.slice(0, limit);
  const last = found.length > limit ? events.at(-1) : undefined;
  if (!last) return { events };
  return { events, next: { cursor: encodeListCursor({ size, id: last.id }, binding) } };
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
