import { sql, type Kysely, type Transaction } from 'kysely';
import type { Tables } from '../tables.ts';

/** Orders those erasures of which the database knows nothing any more, and destroys their keys. @returns these users' ids */
export async function replayErasures(
  db: Kysely<Tables>,
  userIds: readonly string[],
): Promise<string[]> {
  const { rows } = await sql<{
    user_id: string;
  }>`select replayed as user_id from shared.replay_erasures(${userIds}::uuid[]) replayed`.execute(
    db,
  );
  return rows.map((row) => row.user_id);
}

/**
 * Those of the subjects that are erased, and in this transaction no more can be: an erasure under way is waited for, and one that begins waits for this
 * transaction and then finds what it has stored.
 */
export async function holdErasures(
  trx: Transaction<Tables>,
  subjects: readonly string[],
): Promise<Set<string>> {
  await sql`select pg_advisory_xact_lock_shared(7305150)`.execute(trx);
  const { rows } = await sql<{
    subject: string;
  }>`select subject from keys.list_erased_among(${subjects}::text[])`.execute(trx);
  return new Set(rows.map(({ subject }) => subject));
}

/** Empties the quarantined records in which the user's id stands. @returns how many */
export async function deleteQuarantined(trx: Transaction<Tables>, userId: string): Promise<number> {
  const { rows } = await sql<{
    forgotten: number;
  }>`select audit.forget_quarantined(${userId}) as forgotten`.execute(trx);
  return rows[0]?.forgotten ?? 0;
}
