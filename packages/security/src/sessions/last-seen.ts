import { type QueryExecutorProvider, sql } from 'kysely';
import { LRUCache } from 'lru-cache';

export type LastSeenOptions = {
  /** Writes when each id was seen last, in seconds before now, and from which address. */
  touch: (
    ids: readonly string[],
    secondsAgo: readonly number[],
    addresses: readonly string[],
  ) => Promise<unknown>;
  /** An id is written once in this time at most. */
  intervalMs?: number;
  /** Ids that may wait to be written; about 200 bytes each. */
  capacity?: number;
};

export type LastSeen = ReturnType<typeof createLastSeen>;

const batchSize = 1_000;

/**
 * Writes through `shared.touch_sessions`, the one way in which every service may say that it has
 * seen a session.
 */
export const touchSessions =
  (db: QueryExecutorProvider) =>
  (sessionIds: readonly string[], secondsAgo: readonly number[]): Promise<unknown> =>
    sql`select shared.touch_sessions(${sessionIds}::uuid[], ${secondsAgo}::float8[])`.execute(db);

/** The same for API tokens, which keep the address too. */
export const touchApiTokens =
  (db: QueryExecutorProvider) =>
  (
    tokenIds: readonly string[],
    secondsAgo: readonly number[],
    addresses: readonly string[],
  ): Promise<unknown> =>
    sql`select shared.touch_api_tokens(${tokenIds}::uuid[], ${secondsAgo}::float8[], ${addresses}::text[])`.execute(
      db,
    );

/**
 * Which sessions or API tokens were used lately: kept in memory and written in batches, so that no
 * request costs a write. What is stored is never
 * further behind than `intervalMs` and the pause between two flushes, which the least idle lifetime
 * allows for; a replica that is killed loses no
 * more than that.
 */
export const createLastSeen = ({
  touch,
  intervalMs = 60_000,
  capacity = 50_000,
}: LastSeenOptions) => {
  /** When and from where each was seen last, since it was written. */
  const pending = new Map<string, { at: number; address: string }>();
  const written = new LRUCache<string, true>({ max: capacity, ttl: intervalMs });

  return {
    /**
     * Notes that something is in use. Past `capacity` new ones are noted after the next flush:
     * memory is bounded whatever comes.
     */
    seen(id: string, address = ''): void {
      const known = pending.get(id);
      if (known) Object.assign(known, { at: performance.now(), address });
      else if (pending.size < capacity) pending.set(id, { at: performance.now(), address });
    },

    /**
     * Writes those that are due; with `all` (at a stop) the others too. What could not be written
     * waits for the next. Rejects as `touch` does.
     */
    async flush({ all = false }: { all?: boolean } = {}): Promise<void> {
      const due = [...pending]
        .filter(([id]) => all || !written.has(id))
        .map(([id, { at, address }]) => ({ id, at, address }));
      for (let start = 0; start < due.length; start += batchSize) {
        const batch = due.slice(start, start + batchSize);
        const now = performance.now();
        await touch(
          batch.map(({ id }) => id),
          batch.map(({ at }) => (now - at) / 1_000),
          batch.map(({ address }) => address),
        );
        for (const { id, at } of batch) {
          written.set(id, true);
          // Seen again while the statement ran: that is still to be written.
          if (pending.get(id)?.at === at) pending.delete(id);
        }
      }
    },

    /** For tests and metrics. */
    waiting: () => pending.size,
  };
};
