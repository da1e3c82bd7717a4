import { type QueryExecutorProvider, sql } from 'kysely';
import { LRUCache } from 'lru-cache';

export interface LastSeenOptions {
  /** Writes when and from which address each id was last seen, in seconds before now. */
  touch: (
    ids: readonly string[],
    secondsAgo: readonly number[],
    addresses: readonly string[],
  ) => Promise<unknown>;
  /** An id is written at most once in this time. */
  intervalMs?: number;
  /** Maximum of unwritten ids; about 200 bytes each. */
  capacity?: number;
}

export type LastSeen = ReturnType<typeof createLastSeen>;

interface Sighting {
  id: string;
  at: number;
  address: string;
}

const BATCH_SIZE = 1_000;

/** Services may touch sessions only through `shared.touch_sessions`. */
export const touchSessions =
  (db: QueryExecutorProvider) =>
  (sessionIds: readonly string[], secondsAgo: readonly number[]): Promise<unknown> =>
    sql`select shared.touch_sessions(${sessionIds}::uuid[], ${secondsAgo}::float8[])`.execute(db);

/** The same for API tokens, whose rows also hold the address. */
export const touchApiTokens =
  (db: QueryExecutorProvider) =>
  (
    tokenIds: readonly string[],
    secondsAgo: readonly number[],
    addresses: readonly string[],
  ): Promise<unknown> =>
    sql`select shared.touch_api_tokens(
      ${tokenIds}::uuid[], ${secondsAgo}::float8[], ${addresses}::text[]
    )`.execute(db);

/**
 * Batches the writes of last use, so that no request costs a write.
 * A killed replica loses at most `intervalMs` and a flush; the shortest idle lifetime allows for
 * it.
 */
export function createLastSeen({ touch, intervalMs = 60_000, capacity = 50_000 }: LastSeenOptions) {
  /** The last use of each id since it was written. */
  const pending = new Map<string, { at: number; address: string }>();
  const written = new LRUCache<string, true>({ max: capacity, ttl: intervalMs });

  async function write(batch: readonly Sighting[]): Promise<void> {
    const now = performance.now();
    await touch(
      batch.map(({ id }) => id),
      batch.map(({ at }) => (now - at) / 1_000),
      batch.map(({ address }) => address),
    );
    for (const { id, at } of batch) {
      written.set(id, true);
      // A later time is another use during the statement, still to be written.
      if (pending.get(id)?.at === at) pending.delete(id);
    }
  }

  return {
    /** Marks an id as in use. Beyond `capacity`, new ids are ignored until the next flush. */
    seen(id: string, address = ''): void {
      const known = pending.get(id);
      if (known) Object.assign(known, { at: performance.now(), address });
      else if (pending.size < capacity) pending.set(id, { at: performance.now(), address });
    },

    /**
     * Writes the ids that are due, or `all` at a stop. After an error the next flush repeats them.
     */
    async flush({ all = false }: { all?: boolean } = {}): Promise<void> {
      const due = [...pending]
        .filter(([id]) => all || !written.has(id))
        .map(([id, { at, address }]) => ({ id, at, address }));
      for (let start = 0; start < due.length; start += BATCH_SIZE)
        await write(due.slice(start, start + BATCH_SIZE));
    },

    /** For tests and metrics. */
    waiting: () => pending.size,
  };
}
