import type { Kysely } from 'kysely';
import type { SubjectKeys } from '@muniment/audit-events';
import { isDatabaseUnavailable } from '@muniment/database';
import { createWorkGate } from '@muniment/security';
import { renderEntries } from '../log-entry.ts';
import { isVisible, readSealedFor, type SealedFilter } from '../queries/sealed-events.ts';
import type { Reader } from '../reader.ts';
import type { Tables } from '../tables.ts';
import { visibilityOf } from '../visibility.ts';
import type { Feed } from './follow-log.ts';
import { isPresent, type Tail } from './tail.ts';

/** Events of the tail looked at in one go. */
const LIVE_PAGE = 500;
/** What a reader that catches up is given by one statement, and how many indexes that may look at: a filter that passes nothing must end too. */
const PAGE = 200;
const WINDOW = 5_000;
/** Readers that catch up share this many of the replica's connections. */
const CATCHING_UP = 2;

export type CreateFeed = (reader: Reader, filter: SealedFilter) => Feed;

export function createFeeds({ db, subjectKeys, tail }: { db: Kysely<Tables>; subjectKeys: SubjectKeys; tail: Tail }): CreateFeed {
  const gate = createWorkGate({ concurrency: CATCHING_UP, queueLimit: Infinity });
  return (reader, filter) => ({
    async next(position) {
      const live = tail.after(position, LIVE_PAGE);
      if (live) return { events: live.filter(isPresent).filter((event) => isVisible(reader, filter, event)), upTo: live.at(-1)?.index ?? position };
      // Never past the head: what is not sealed yet will have an index that the position has passed.
      const upTo = Math.min(position + WINDOW, tail.head() ?? position);
      if (upTo <= position) return { events: [], upTo: position };
      const events = await gate.run(() => readSealedFor(db, reader, filter, { after: position, upTo, limit: PAGE }));
      return { events, upTo: events.length === PAGE ? events.at(-1)?.index ?? upTo : upTo };
    },
    render: (events) => renderEntries({ db, subjectKeys }, visibilityOf(reader), events),
    isUnavailable: isDatabaseUnavailable,
  });
}
