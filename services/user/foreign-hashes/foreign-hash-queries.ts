import { sql, type Kysely } from 'kysely';
import type { ForeignHashCostsTable, SignerKeysTable, Tables } from '../tables.ts';

/** A class of hashes that cost the same, with a hash of no password by which it is measured. */
export type HashCost = Pick<ForeignHashCostsTable, 'cost_class' | 'decoy'>;

export async function listHashCosts(db: Kysely<Tables>): Promise<HashCost[]> {
  return db.selectFrom('identity.foreign_hash_costs').select(['cost_class', 'decoy']).execute();
}

/** Sorted, so that two imports cannot deadlock. @returns the age of the newest, in ms */
export async function saveHashCosts(
  db: Kysely<Tables>,
  costs: readonly HashCost[],
): Promise<number> {
  const rows = await db
    .insertInto('identity.foreign_hash_costs')
    .values(costs.toSorted((one, other) => (one.cost_class < other.cost_class ? -1 : 1)))
    .onConflict((conflict) =>
      conflict.column('cost_class').doUpdateSet({ imported: sql<Date>`now()` }),
    )
    .returning(
      sql<number>`extract(epoch from clock_timestamp() - created)::float8 * 1000`.as('age'),
    )
    .execute();
  return Math.min(...rows.map(({ age }) => age));
}

export async function findSignerKey(
  db: Kysely<Tables>,
  id: string,
): Promise<Pick<SignerKeysTable, 'wrapped_key'> | undefined> {
  return db
    .selectFrom('identity.signer_keys')
    .select('wrapped_key')
    .where('id', '=', id)
    .executeTakeFirst();
}

export async function saveSignerKey(
  db: Kysely<Tables>,
  { id, wrappedKey }: { id: string; wrappedKey: Buffer },
): Promise<void> {
  await db
    .insertInto('identity.signer_keys')
    .values({ id, wrapped_key: wrappedKey })
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ imported: sql<Date>`now()` }))
    .execute();
}

/** An import in progress has saved what it needs within this time. */
const MIN_AGE = sql`interval '1 day'`;

/** Deletes costs and keys once no foreign hash is left. Without any costs no user is read. */
export async function deleteUnusedHashCosts(db: Kysely<Tables>): Promise<void> {
  for (const table of ['identity.foreign_hash_costs', 'identity.signer_keys'] as const)
    await db
      .deleteFrom(table)
      .where('imported', '<', sql<Date>`now() - ${MIN_AGE}`)
      .where(
        sql<boolean>`not exists (
          select from identity.users where foreign_hash is not null)`,
      )
      .execute();
}
