import { sql, type Kysely } from 'kysely';
import type { Tables } from '../tables.ts';

/** Creates the missing partitions of this month and the next `monthsAhead`. */
export async function ensurePartitions(db: Kysely<Tables>, monthsAhead: number): Promise<void> {
  await sql`select audit.ensure_partitions(${monthsAhead})`.execute(db);
}
