import { sql, type Kysely, type Transaction } from 'kysely';
import type { Tables } from '../tables.ts';

/** Orders erasures that the database lacks, and destroys their keys. @returns their users' ids */
export async function replayErasures(
  db: Kysely<Tables>,
  userIds: readonly string[],
): Promise<string[]> {
  const { rows } = await sql<{ user_id: string }>`
    select replayed as user_id
    from shared.replay_erasures(${userIds}::uuid[]) replayed`.execute(db);
  return rows.map((row) => row.user_id);
}

/**
 * Finds the erased among subjects. Further erasures wait until the transaction ends, and so find
 * its rows.
 */
export async function lockErasures(
  trx: Transaction<Tables>,
  subjects: readonly string[],
): Promise<Set<string>> {
  await sql`select pg_advisory_xact_lock_shared(7305150)`.execute(trx);
  const { rows } = await sql<{ subject: string }>`
    select subject from keys.list_erased_among(${subjects}::text[])`.execute(trx);
  return new Set(rows.map(({ subject }) => subject));
}

/** Empties the quarantined records that hold the user's id. @returns how many */
export async function emptyQuarantined(trx: Transaction<Tables>, userId: string): Promise<number> {
  const { rows } = await sql<{ emptied: number }>`
    select audit.forget_quarantined(${userId}) as emptied`.execute(trx);
  return rows[0]?.emptied ?? 0;
}
