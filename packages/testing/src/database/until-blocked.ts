import type { Rows } from './rows.ts';
import { until } from '../until.ts';

/**
 * Waits until that many sessions of the database wait for a lock, e.g. one that `rows` holds.
 * A transaction sees pg_stat_activity as it first was, so the snapshot is cleared each time.
 */
export async function untilBlocked(rows: Rows, what: string, sessions = 1): Promise<void> {
  await until(
    async () => {
      await rows('select pg_stat_clear_snapshot()');
      const blocked = await rows(`
        select from pg_stat_activity
        where wait_event_type = 'Lock' and datname = current_database()`);
      return blocked.length >= sessions;
    },
    { what },
  );
}
