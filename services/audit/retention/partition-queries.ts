import { sql, type Kysely } from 'kysely';
import type { Tables } from '../tables.ts';

/** Makes the log's partitions of this month and the `monthsAhead` next ones where they are missing. */
export async function ensurePartitions(db: Kysely<Tables>, monthsAhead: number): Promise<void> {
  await sql`select audit.ensure_partitions(${monthsAhead})`.execute(db);
}
