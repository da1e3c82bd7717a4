import type { Kysely } from 'kysely';
import type { SubjectKeys } from '@muniment/audit-events';
import { isDatabaseUnavailable } from '@muniment/database';
import { createConcurrencyLimit, emailKey, normalizeAddress } from '@muniment/security';
import { parseFilter, type FilterQuery } from '../trail/filter.ts';
import { renderEntries } from '../trail/log-entry.ts';
import { listByIndex } from '../trail/log-queries.ts';
import { isVisible } from '../proofs/sealed-event-queries.ts';
import type { Reader } from '../trail/reader.ts';
import type { Tables } from '../tables.ts';
import { visibilityOf } from '../trail/visibility.ts';
import type { Feed } from './follow-log.ts';
import { isPresent, type Tail } from './tail.ts';

/** Events of the tail looked at in one go. */
const LIVE_PAGE = 500;
/** What a reader that catches up is given by one statement, and how many indexes that may look at: a filter that passes nothing must end too. */
const PAGE = 200;
const WINDOW = 5_000;
/** Readers that catch up share this many of the replica's connections. */
const CATCHING_UP = 2;

/** @throws filter_invalid */
export type CreateFeed = (reader: Reader, given: FilterQuery) => Feed;

/**
 * Whether an entry has these personal values, as its reader sees it. Not by the search terms: those may come a moment after the seal, and a stream
 * does not look back.
 */
function valueFilter({ ip, email }: Pick<FilterQuery, 'ip' | 'email'>): (entry: string) => boolean {
  if (ip === undefined && email === undefined) return () => true;
  return (text) => {
    const entry = JSON.parse(text) as { ip: string | null; email: string | null };
    return (
      (ip === undefined ||
        (entry.ip !== null && normalizeAddress(entry.ip) === normalizeAddress(ip))) &&
      (email === undefined || (entry.email !== null && emailKey(entry.email) === emailKey(email)))
    );
  };
}

export function createFeeds({
  db,
  subjectKeys,
  tail,
}: {
  db: Kysely<Tables>;
  subjectKeys: SubjectKeys;
  tail: Tail;
}): CreateFeed {
  const gate = createConcurrencyLimit({ concurrency: CATCHING_UP, queueLimit: Infinity });
  return (reader, given) => {
    const { ip, email, ...filter } = parseFilter(given);
    const query = { visibility: visibilityOf(reader), filter, terms: [] };
    const passes = valueFilter({
      ...(ip !== undefined && { ip }),
      ...(email !== undefined && { email }),
    });
    return {
      async next(position) {
        const live = tail.after(position, LIVE_PAGE);
        if (live)
          return {
            events: live.filter(isPresent).filter((event) => isVisible(query, event)),
            upTo: live.at(-1)?.index ?? position,
          };
        // Never past the head: what is not sealed yet will have an index that the position has passed.
        const upTo = Math.min(position + WINDOW, tail.head() ?? position);
        if (upTo <= position) return { events: [], upTo: position };
        const events = await gate.run(() =>
          listByIndex(db, query, { from: position + 1, to: upTo + 1, limit: PAGE }),
        );
        return { events, upTo: events.length === PAGE ? (events.at(-1)?.index ?? upTo) : upTo };
      },
      render: async (events) =>
        (await renderEntries({ db, subjectKeys }, query.visibility, events)).map((entry) =>
          passes(entry) ? entry : undefined,
        ),
      isUnavailable: isDatabaseUnavailable,
    };
  };
}
