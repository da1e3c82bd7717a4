import { setTimeout as sleep } from 'node:timers/promises';
import { sql, type Kysely } from 'kysely';
import type { Tables } from '../tables.ts';

const LOOK_EVERY_MS = 50;
/** PostgreSQL ends a transaction of ours that is idle for ten seconds. */
const LONGEST_MS = 20_000;

/**
 * Waits until this service's transactions that began before now have ended. They may not see what
 * has been committed since, e.g. the erasure of a user whose upload they commit.
 * @throws when one lasts longer than any of ours may
 */
export async function awaitOlderTransactions(db: Kysely<Tables>): Promise<void> {
  const { rows } = await sql<{ now: string }>`select clock_timestamp()::text as now`.execute(db);
  const now = rows[0]?.now;
  const deadline = performance.now() + LONGEST_MS;
  while (await hasTransactionFrom(db, now)) {
    if (performance.now() > deadline)
      throw new Error(`a transaction of this service has lasted for ${LONGEST_MS} ms`);
    await sleep(LOOK_EVERY_MS);
  }
}

async function hasTransactionFrom(
  db: Kysely<Tables>,
  before: string | undefined,
): Promise<boolean> {
  const { rows } = await sql`
    select from pg_stat_activity
    where usename = current_user and datname = current_database() and pid <> pg_backend_pid()
      and xact_start <= ${before}::timestamptz limit 1`.execute(db);
  return rows.length > 0;
}
