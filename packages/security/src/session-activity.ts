import { type QueryExecutorProvider, sql } from 'kysely';
import { LRUCache } from 'lru-cache';

export type SessionActivityOptions = {
  /** Writes when sessions were last seen, in seconds before now. */
  touch: (sessionIds: readonly string[], secondsAgo: readonly number[]) => Promise<unknown>;
  /** A session is written once in this time at most. */
  intervalMs?: number;
  /** Sessions that may wait to be written; about 150 bytes each. */
  capacity?: number;
};

export type SessionActivity = ReturnType<typeof createSessionActivity>;

const batchSize = 1_000;

/** Writes through `shared.touch_sessions`, the one way in which every service may say that it has seen a session. */
export const touchSessions =
  (db: QueryExecutorProvider) =>
  (sessionIds: readonly string[], secondsAgo: readonly number[]): Promise<unknown> =>
    sql`select shared.touch_sessions(${sessionIds}::uuid[], ${secondsAgo}::float8[])`.execute(db);

/**
 * Which sessions were used lately: kept in memory and written in batches, so that no request costs a write. What is stored is never further behind
 * than `intervalMs` and the pause between two flushes, which the least idle lifetime allows for; a replica that is killed loses no more than that.
 */
export const createSessionActivity = ({ touch, intervalMs = 60_000, capacity = 50_000 }: SessionActivityOptions) => {
  /** When each was seen last, since it was written. */
  const pending = new Map<string, number>();
  const written = new LRUCache<string, true>({ max: capacity, ttl: intervalMs });

  return {
    /** Notes that a session is in use. Past `capacity` new ones are noted after the next flush: memory is bounded whatever comes. */
    seen(sessionId: string): void {
      if (pending.size < capacity || pending.has(sessionId)) pending.set(sessionId, performance.now());
    },

    /** Writes those that are due; with `all` (at a stop) the others too. What could not be written waits for the next. Rejects as `touch` does. */
    async flush({ all = false }: { all?: boolean } = {}): Promise<void> {
      const due = [...pending].filter(([id]) => all || !written.has(id));
      for (let start = 0; start < due.length; start += batchSize) {
        const batch = due.slice(start, start + batchSize);
        const now = performance.now();
        await touch(batch.map(([id]) => id), batch.map(([, at]) => (now - at) / 1_000));
        for (const [id, at] of batch) {
          written.set(id, true);
          // Seen again while the statement ran: that is still to be written.
          if (pending.get(id) === at) pending.delete(id);
        }
      }
    },

    /** For tests and metrics. */
    waiting: () => pending.size,
  };
};
