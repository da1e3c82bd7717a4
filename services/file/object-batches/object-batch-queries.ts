import { sql, type Kysely } from 'kysely';
import type { Tables } from '../tables.ts';

export async function insertObjectBatch(db: Kysely<Tables>, id: string): Promise<void> {
  await sql`insert into files.object_batches (id) values (${id})`.execute(db);
}

/** Says that a batch's replica is alive. @returns false when the batch was withdrawn */
export async function touchObjectBatch(db: Kysely<Tables>, id: string): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update files.object_batches set updated = now()
    where id = ${id} and withdrawn is null`.execute(db);
  return numAffectedRows === 1n;
}

/** Records that every object of a batch has a row. */
export async function deleteObjectBatch(db: Kysely<Tables>, id: string): Promise<void> {
  await sql`
    delete from files.object_batches where id = ${id} and withdrawn is null`.execute(db);
}

/**
 * Withdraws batches without a heartbeat for `silentMs`, so no upload of theirs can commit. FOR
 * UPDATE conflicts with the lock of commits in progress; their batches wait for the next round.
 * @returns their number
 */
export async function withdrawAbandonedBatches(
  db: Kysely<Tables>,
  silentMs: number,
): Promise<number> {
  const { numAffectedRows } = await sql`
    with silent as (
      select id from files.object_batches
      where withdrawn is null and updated < now() - ${silentMs} * interval '1 millisecond'
      for update skip locked)
    update files.object_batches b set withdrawn = now() from silent where b.id = silent.id`.execute(
    db,
  );
  return Number(numAffectedRows ?? 0n);
}

/** Lists batches whose requests S3 can no longer carry out, longest withdrawn first. */
export async function findWithdrawnBatches(
  db: Kysely<Tables>,
  { lateMs, limit }: { lateMs: number; limit: number },
): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from files.object_batches
    where withdrawn <= now() - ${lateMs} * interval '1 millisecond'
    order by withdrawn limit ${limit}`.execute(db);
  return rows.map(({ id }) => id);
}

/** Records that every object of a withdrawn batch has a row. */
export async function deleteWithdrawnBatch(db: Kysely<Tables>, id: string): Promise<void> {
  await sql`
    delete from files.object_batches where id = ${id} and withdrawn is not null`.execute(db);
}

/** Delays a batch whose objects could not be removed, so others come first. */
export async function deferWithdrawnBatch(db: Kysely<Tables>, id: string): Promise<void> {
  await sql`update files.object_batches set withdrawn = now() where id = ${id}`.execute(db);
}

/** @returns those of the keys that no file and no orphan has */
export async function findUnknownKeys(
  db: Kysely<Tables>,
  keys: readonly string[],
): Promise<string[]> {
  const { rows } = await sql<{ key: string }>`
    select key from unnest(${keys}::text[]) key
    where not exists (select from files.files where object_key = key)
      and not exists (select from files.orphans where object_key = key)`.execute(db);
  return rows.map(({ key }) => key);
}
