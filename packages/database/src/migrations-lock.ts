import { setTimeout as sleep } from 'node:timers/promises';
import { sql, type Kysely } from 'kysely';
import type { MigrationResultSet } from 'kysely/migration';
import { createDatabase } from './database.ts';

/** A wait for a lock stalls every request that comes after it, so it is short and repeated. */
const LOCK_TIMEOUT_MS = 3_000;
const LOCK_ATTEMPTS = 20;
const LOCK_PAUSE_MS = 1_000;
const LOCK_NOT_AVAILABLE = '55P03';
const MIGRATIONS_LOCK = 7305147;
const POLL_MS = 200;

const isLockTimeout = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === LOCK_NOT_AVAILABLE;

/** Runs a transaction again while others hold the locks that it needs. */
export async function retryLocks(
  migrate: () => Promise<MigrationResultSet>,
): Promise<MigrationResultSet> {
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await migrate();
    if (!isLockTimeout(outcome.error) || attempt === LOCK_ATTEMPTS) return outcome;
    await sleep(LOCK_PAUSE_MS);
  }
}

export interface Connections {
  /** For transactions, which wait for a lock for three seconds. */
  bounded: Kysely<unknown>;
  /** For statements that wait for others without blocking them. */
  patient: Kysely<unknown>;
}

/**
 * Runs `work` under the advisory lock of migrations. It asks again and again: a session that waits
 * for the lock holds a snapshot, and CREATE INDEX CONCURRENTLY would wait for that for ever.
 */
export async function withMigrationsLock<Result>(
  url: string,
  work: (connections: Connections) => Promise<Result>,
): Promise<Result> {
  const options = {
    url,
    applicationName: 'muniment-migrate',
    poolMax: 3,
    statementTimeoutMs: 15 * 60_000,
  };
  const { db: bounded } = createDatabase<unknown>({ ...options, lockTimeoutMs: LOCK_TIMEOUT_MS });
  const { db: patient } = createDatabase<unknown>(options);
  try {
    return await bounded.connection().execute(async (lock) => {
      while (!(await tryLock(lock))) await sleep(POLL_MS);
      return await work({ bounded, patient });
    });
  } finally {
    await Promise.all([bounded.destroy(), patient.destroy()]);
  }
}

async function tryLock(db: Kysely<unknown>): Promise<boolean> {
  const { rows } = await sql<{ locked: boolean }>`
    select pg_try_advisory_lock(${MIGRATIONS_LOCK}) as locked`.execute(db);
  return rows[0]?.locked === true;
}
