import type { Kysely } from 'kysely';
import type { SubjectKeys } from '@muniment/audit-events';
import { isDatabaseUnavailable } from '@muniment/database';
import { createConcurrencyLimit, emailKey, normalizeAddress } from '@muniment/security';
import { describeFilter } from '../export/start-export.ts';
import { isVisible } from '../proofs/sealed-event-queries.ts';
import type { Tree } from '../proofs/tree/tree.ts';
import type { Tables } from '../tables.ts';
import { parseFilter, type FilterQuery } from '../trail/filter.ts';
import { listByIndex } from '../trail/log-queries.ts';
import type { LogQuery } from '../trail/log-query.ts';
import type { Reader } from '../trail/readers/reader.ts';
import { visibilityOf } from '../trail/readers/visibility.ts';
import type { Feed } from './follow-log.ts';
import { createProvenFormat } from './proven-format.ts';
import { createEntryFormat, type MatchValues } from './stream-format.ts';
import { isPresent, type Tail } from './tail.ts';

/** Events of the tail that are filtered at once. */
const TAIL_BATCH_SIZE = 500;
/** Events that one statement reads for a stream that catches up. */
const CATCH_UP_BATCH_SIZE = 200;
/** Indexes that one statement examines, so that it ends though a filter passes nothing. */
const CATCH_UP_WINDOW = 5_000;
/** Connections that all streams of the replica share to catch up. */
const CATCH_UP_CONCURRENCY = 2;

export interface FeedQuery {
  reader: Reader;
  filter: FilterQuery;
  /** The position behind which the stream begins. */
  start: number;
  /** Whether it carries the rows of an export and nothing that is not signed. */
  proof: boolean;
}

/** @throws FilterInvalid */
export type CreateFeed = (query: FeedQuery) => Promise<Feed>;

export interface FeedOptions {
  db: Kysely<Tables>;
  subjectKeys: SubjectKeys;
  tail: Tail;
  tree: Tree;
}

export function createFeeds({ db, subjectKeys, tail, tree }: FeedOptions): CreateFeed {
  const limit = createConcurrencyLimit({ concurrency: CATCH_UP_CONCURRENCY, queueLimit: Infinity });
  const source = { db, subjectKeys };

  async function catchUp(query: LogQuery, position: number, end: number): ReturnType<Feed['next']> {
    // Never past the head: an event sealed later would have an index that the position has passed.
    const upTo = Math.min(position + CATCH_UP_WINDOW, tail.head() ?? position, end);
    if (upTo <= position) return { events: [], upTo: position };
    const range = { from: position + 1, to: upTo + 1, limit: CATCH_UP_BATCH_SIZE };
    const events = await limit.run(() => listByIndex(db, query, range));
    const isCut = events.length === CATCH_UP_BATCH_SIZE;
    return { events, upTo: isCut ? (events.at(-1)?.index ?? upTo) : upTo };
  }

  return async ({ reader, filter: given, start, proof }) => {
    const { ip, email, ...filter } = parseFilter(given);
    const visibility = visibilityOf(reader);
    const query = { visibility, filter, terms: [] };
    const matches = matchValues({ ip, email });
    const shown = proof ? await describeFilter(db, { filter: given, log: query }) : null;
    return {
      format: proof
        ? createProvenFormat({ source, tree, visibility, matches, filter: shown, start })
        : createEntryFormat(source, { visibility, matches }),
      async next(position) {
        const end = proof ? (tail.checkpoint()?.size ?? 0) - 1 : Infinity;
        const recent = tail.after(position, TAIL_BATCH_SIZE)?.filter(({ index }) => index <= end);
        if (!recent) return catchUp(query, position, end);
        const events = recent.filter(isPresent).filter((event) => isVisible(query, event));
        return { events, upTo: recent.at(-1)?.index ?? position };
      },
      checkpoint: tail.checkpoint,
      isUnavailable: isDatabaseUnavailable,
    };
  };
}

/**
 * Whether an event has these personal values, once they are opened. Search terms may follow a
 * moment after the seal, and a stream never goes back.
 */
function matchValues({
  ip,
  email,
}: {
  ip: string | undefined;
  email: string | undefined;
}): MatchValues | undefined {
  if (ip === undefined && email === undefined) return undefined;
  const wanted = {
    ip: ip === undefined ? undefined : normalizeAddress(ip),
    email: email === undefined ? undefined : emailKey(email),
  };
  return (values) => {
    const hasIp = typeof values.ip === 'string' && normalizeAddress(values.ip) === wanted.ip;
    const hasEmail = typeof values.email === 'string' && emailKey(values.email) === wanted.email;
    return (wanted.ip === undefined || hasIp) && (wanted.email === undefined || hasEmail);
  };
}
