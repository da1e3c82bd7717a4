import { sql, type CompiledQuery, type Kysely } from 'kysely';
import type { SetMigration } from '@muniment/database/migrate';

/** What a migration did, as PostgreSQL tells it. */
export interface Observation {
  statements: string[];
  /** PostgreSQL's own messages of level DEBUG1: what it scans, rewrites and builds. */
  messages: string[];
  /** The strongest locks at the end of the transaction, by the table's oid. */
  locks: { table: number; mode: string }[];
}

export interface Recorder {
  db: Kysely<unknown>;
  messages: string[];
  statements: string[];
}

export const recordStatement = (statements: string[], query: CompiledQuery): void =>
  void statements.push(query.sql);

async function readLocks(db: Kysely<unknown>): Promise<Observation['locks']> {
  const { rows } = await sql<{ table: number; mode: string }>`
    select relation::int8 as table, mode from pg_locks
    where pid = pg_backend_pid() and locktype = 'relation' and granted`.execute(db);
  return rows;
}

/** Runs a migration as a start does: in a transaction of its own, unless it asks for none. */
export async function observeMigration(
  { db, messages, statements }: Recorder,
  migration: SetMigration,
): Promise<Observation> {
  messages.length = 0;
  statements.length = 0;
  let locks: Observation['locks'] = [];
  if (migration.transaction === false)
    await db.connection().execute(async (connection) => migration.up(connection));
  else
    await db.transaction().execute(async (trx) => {
      await migration.up(trx);
      locks = await readLocks(trx);
    });
  return { statements: [...statements], messages: [...messages], locks };
}
