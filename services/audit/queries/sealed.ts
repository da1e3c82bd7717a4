import { sql, type Transaction } from 'kysely';
import type { Tables } from '../tables.ts';

/** Gives the events the indexes from `first` on, in the order of `ids`. */
export async function insertSealed(trx: Transaction<Tables>, first: number, ids: readonly string[]): Promise<void> {
  await sql`
    insert into audit.sealed (index, event_id)
    select ${first}::bigint + ordinality - 1, id from unnest(${ids}::uuid[]) with ordinality as s(id, ordinality)`.execute(trx);
}
