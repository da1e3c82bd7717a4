import type { Kysely } from 'kysely';
import type { Tables } from '../tables.ts';
import { listLaneNews } from './seal-lane-queries.ts';
import { findOldestUnsealed, hasLateEvents } from './unsealed-event-queries.ts';

/** The stored sequence numbers that wait to be sealed, as of the last `read`. */
export interface Backlog {
  /** @returns whether there is anything to seal */
  read(options: { isSealing: boolean }): Promise<boolean>;
  clear(): void;
  /** How many are stored and not sealed. */
  unsealed(): number;
  /** How long ago the oldest of them happened. */
  oldestMs(): number;
}

export function createBacklog(db: Kysely<Tables>): Backlog {
  let unsealed = 0;
  let oldest: Date | undefined;
  return {
    async read({ isSealing }) {
      const lanes = await listLaneNews(db);
      const count = lanes.reduce((sum, lane) => sum + lane.watermark - lane.sealed_seq, 0);
      // The holder seals fresh numbers in a moment: only those that stay have an age worth a query.
      const isStaying = count > 0 && (!isSealing || unsealed > 0);
      oldest = isStaying ? await findOldestUnsealed(db, lanes) : undefined;
      // Set with `oldest`: a status read during the query would show numbers without an age.
      unsealed = count;
      return unsealed > 0 || (await hasLateEvents(db));
    },
    clear() {
      unsealed = 0;
      oldest = undefined;
    },
    unsealed: () => unsealed,
    oldestMs: () => (oldest ? Math.max(0, Date.now() - oldest.getTime()) : 0),
  };
}
