import { sql, type Kysely, type RawBuilder } from 'kysely';
import type { NewFile } from '../files/file-queries.ts';
import type { FileStatus, Tables } from '../tables.ts';

/** Says that an upload is alive. */
export async function touchPendingFile(db: Kysely<Tables>, id: string): Promise<void> {
  await sql`
    update files.files set updated = now() where id = ${id} and status = 'pending'`.execute(db);
}

/**
 * Gives a failed upload its row, to withdraw it. It waits for a commit in progress, whose row has
 * the same id and then stays.
 */
export async function insertFailedFile(
  db: Kysely<Tables>,
  { id, userId, name, objectKey, created }: NewFile,
): Promise<void> {
  await sql`
    insert into files.files (id, user_id, name, object_key, created)
    values (${id}, ${userId}, ${name}, ${objectKey}, ${created})
    on conflict (id) do nothing`.execute(db);
}

/** Turns pending rows into orphans in one statement, so a row always names their objects. */
const withdraw = (condition: RawBuilder<unknown>) => sql`
  with withdrawn as (
    delete from files.files where status = 'pending' and ${condition}
    returning object_key, user_id)
  insert into files.orphans (object_key, user_id)
  select object_key, user_id from withdrawn on conflict (object_key) do nothing`;

/**
 * Withdraws an upload, so it cannot become ready.
 * @returns false when it is ready: a commit whose answer was lost
 */
export async function withdrawPendingFile(db: Kysely<Tables>, id: string): Promise<boolean> {
  const { numAffectedRows } = await withdraw(sql`id = ${id}`).execute(db);
  if (numAffectedRows === 1n) return true;
  // A second statement, since the first may have an older snapshot than that commit.
  const { rows } = await sql<{ status: FileStatus }>`
    select status from files.files where id = ${id}`.execute(db);
  return rows[0]?.status !== 'ready';
}

/** Withdraws uploads without a heartbeat for `silentMs`. @returns their number */
export async function withdrawAbandonedFiles(
  db: Kysely<Tables>,
  silentMs: number,
  limit: number,
): Promise<number> {
  const { numAffectedRows } = await withdraw(sql`id in (
    select id from files.files
    where status = 'pending' and updated < now() - ${silentMs} * interval '1 millisecond'
    order by updated limit ${limit} for update skip locked)`).execute(db);
  return Number(numAffectedRows ?? 0n);
}

/** Withdraws a user's uploads that are in progress. */
export async function withdrawPendingFilesOfUser(
  db: Kysely<Tables>,
  userId: string,
): Promise<void> {
  await withdraw(sql`user_id = ${userId}`).execute(db);
}
