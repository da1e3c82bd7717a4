import type { Kysely } from 'kysely';
import type { SubjectKeys } from '@muniment/audit-events';
import { isDatabaseUnavailable } from '@muniment/database';
import { createConcurrencyLimit, emailKey, normalizeAddress } from '@muniment/security';
import { isVisible } from '../proofs/sealed-event-queries.ts';
import type { Tables } from '../tables.ts';
import { parseFilter, type FilterQuery } from '../trail/filter.ts';
import { listByIndex } from '../trail/log-queries.ts';
import type { LogQuery } from '../trail/log-query.ts';
import { renderEntries } from '../trail/log-resource.ts';
import type { Reader } from '../trail/readers/reader.ts';
import { visibilityOf } from '../trail/readers/visibility.ts';
import type { Feed } from './follow-log.ts';
import { isPresent, type Tail } from './tail.ts';

/** Events of the tail that are filtered at once. */
const TAIL_BATCH_SIZE = 500;
/** Events that one statement reads for a stream that catches up. */
const CATCH_UP_BATCH_SIZE = 200;
/** Indexes that one statement examines, so that it ends though a filter passes nothing. */
const CATCH_UP_WINDOW = 5_000;
/** Connections that all streams of the replica share to catch up. */
const CATCH_UP_CONCURRENCY = 2;

/** @throws FilterInvalid */
export type CreateFeed = (reader: Reader, given: FilterQuery) => Feed;

export interface FeedOptions {
  db: Kysely<Tables>;
  subjectKeys: SubjectKeys;
  tail: Tail;
}

export function createFeeds({ db, subjectKeys, tail }: FeedOptions): CreateFeed {
  const limit = createConcurrencyLimit({ concurrency: CATCH_UP_CONCURRENCY, queueLimit: Infinity });

  async function catchUp(query: LogQuery, position: number): ReturnType<Feed['next']> {
    // Never past the head: an event sealed later would have an index that the position has passed.
    const upTo = Math.min(position + CATCH_UP_WINDOW, tail.head() ?? position);
    if (upTo <= position) return { events: [], upTo: position };
    const range = { from: position + 1, to: upTo + 1, limit: CATCH_UP_BATCH_SIZE };
    const events = await limit.run(() => listByIndex(db, query, range));
    const isCut = events.length === CATCH_UP_BATCH_SIZE;
    return { events, upTo: isCut ? (events.at(-1)?.index ?? upTo) : upTo };
  }

  return (reader, given) => {
    const { ip, email, ...filter } = parseFilter(given);
    const query = { visibility: visibilityOf(reader), filter, terms: [] };
    const hasValues = matchValues({ ip, email });
    return {
      async next(position) {
        const recent = tail.after(position, TAIL_BATCH_SIZE);
        if (!recent) return catchUp(query, position);
        const events = recent.filter(isPresent).filter((event) => isVisible(query, event));
        return { events, upTo: recent.at(-1)?.index ?? position };
      },
      async render(events) {
        const entries = await renderEntries({ db, subjectKeys }, query.visibility, events);
        return entries.map((entry) => (hasValues(entry) ? entry : undefined));
      },
      isUnavailable: isDatabaseUnavailable,
    };
  };
}

/**
 * Whether a rendered entry has these personal values. Search terms may follow a moment after the
 * seal, and a stream never goes back.
 */
function matchValues({
  ip,
  email,
}: {
  ip: string | undefined;
  email: string | undefined;
}): (entry: string) => boolean {
  if (ip === undefined && email === undefined) return () => true;
  const wanted = {
    ip: ip === undefined ? undefined : normalizeAddress(ip),
    email: email === undefined ? undefined : emailKey(email),
  };
  return (text) => {
    const entry = JSON.parse(text) as { ip: string | null; email: string | null };
    const hasIp = entry.ip !== null && normalizeAddress(entry.ip) === wanted.ip;
    const hasEmail = entry.email !== null && emailKey(entry.email) === wanted.email;
    return (wanted.ip === undefined || hasIp) && (wanted.email === undefined || hasEmail);
  };
}
