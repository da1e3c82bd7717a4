import { sql, type Kysely, type RawBuilder } from 'kysely';
import type { FileStatus, Tables } from '../tables.ts';

/** Says that an upload is still alive. */
export async function touchPendingFile(db: Kysely<Tables>, id: string): Promise<void> {
  await sql`update files.files set updated = now() where id = ${id} and status = 'pending'`.execute(
    db,
  );
}

/** Deletes pending rows and notes their objects as orphans, in one statement: what a row named, something still names. */
const orphan = (chosen: RawBuilder<unknown>) => sql`
  with withdrawn as (delete from files.files where status = 'pending' and ${chosen} returning object_key, user_id)
  insert into files.orphans (object_key, user_id) select object_key, user_id from withdrawn on conflict (object_key) do nothing`;

/**
 * Takes an upload back. From here on it cannot become ready, whoever tries.
 * @returns false when the file is ready: a commit took place whose answer was lost
 */
export async function withdrawPendingFile(db: Kysely<Tables>, id: string): Promise<boolean> {
  const { numAffectedRows } = await orphan(sql`id = ${id}`).execute(db);
  if (numAffectedRows === 1n) return true;
  // A statement of its own: the one above may have waited for that very commit, and its snapshot is older than it.
  const { rows } = await sql<{
    status: FileStatus;
  }>`select status from files.files where id = ${id}`.execute(db);
  return rows[0]?.status !== 'ready';
}

/** Takes back the uploads that have given no sign of life for `silentMs`. @returns how many */
export async function withdrawAbandonedFiles(
  db: Kysely<Tables>,
  silentMs: number,
  limit: number,
): Promise<number> {
  const { numAffectedRows } = await orphan(sql`id in (
    select id from files.files where status = 'pending' and updated < now() - ${silentMs} * interval '1 millisecond'
    order by updated limit ${limit} for update skip locked)`).execute(db);
  return Number(numAffectedRows ?? 0n);
}

/** Takes back all uploads of a user that are under way. */
export async function withdrawPendingFilesOfUser(
  db: Kysely<Tables>,
  userId: string,
): Promise<void> {
  await orphan(sql`user_id = ${userId}`).execute(db);
}

/** An object that no file has. */
export interface Orphan {
  object_key: string;
  /** Whether S3 will carry out nothing more of its upload, so that what is removed now stays away. */
  is_final: boolean;
}

/** The orphans whose turn it is, longest waiting first; with a user, all of theirs. @param lateMs time after which an orphan is final */
export async function findOrphans(
  db: Kysely<Tables>,
  limit: number,
  lateMs: number,
  userId?: string,
): Promise<Orphan[]> {
  const chosen = userId === undefined ? sql`not_before <= now()` : sql`user_id = ${userId}`;
  const { rows } = await sql<Orphan>`
    select object_key, since <= now() - ${lateMs} * interval '1 millisecond' as is_final
    from files.orphans where ${chosen} order by not_before limit ${limit}`.execute(db);
  return rows;
}

/** Puts an orphan off that was removed early, until it is final. */
export async function awaitFinalOrphan(
  db: Kysely<Tables>,
  objectKey: string,
  lateMs: number,
): Promise<void> {
  await sql`update files.orphans set not_before = since + ${lateMs} * interval '1 millisecond' where object_key = ${objectKey}`.execute(
    db,
  );
}

/** Records that S3 holds nothing more under this key. */
export async function deleteOrphan(db: Kysely<Tables>, objectKey: string): Promise<void> {
  await sql`delete from files.orphans where object_key = ${objectKey}`.execute(db);
}

/** Puts one off that could not be removed, so that it cannot keep the others waiting. */
export async function deferOrphan(db: Kysely<Tables>, objectKey: string): Promise<void> {
  await sql`update files.orphans set not_before = now() + interval '10 seconds' where object_key = ${objectKey}`.execute(
    db,
  );
}

/** Users who were erased within the last hour and still have files: uploads that began before the order and committed beside it. */
export async function findErasedUsersWithFiles(db: Kysely<Tables>): Promise<string[]> {
  const { rows } = await sql<{ user_id: string }>`
    select e.user_id from shared.erasures e
    where e.files_done and e.requested_at > now() - interval '1 hour'
      and exists (select from files.files f where f.user_id = e.user_id and f.status in ('pending', 'ready'))`.execute(
    db,
  );
  return rows.map((row) => row.user_id);
}

export interface DeletedFile {
  id: string;
  object_key: string;
  object_version: string | null;
}

/** Deleted files whose objects are still to be removed, longest deleted first; of one user when one is named. */
export async function findDeletedFiles(
  db: Kysely<Tables>,
  limit: number,
  userId?: string,
): Promise<DeletedFile[]> {
  const ofUser = userId === undefined ? sql`` : sql`and user_id = ${userId}`;
  const { rows } = await sql<DeletedFile>`
    select id, object_key, object_version from files.files where status = 'deleted' ${ofUser} order by updated limit ${limit}`.execute(
    db,
  );
  return rows;
}

/** Records that no byte of these is left. The rows stay, since the trail refers to them, but without name and hash: nobody needs those now. */
export async function markFilesPurged(db: Kysely<Tables>, ids: readonly string[]): Promise<void> {
  await sql`
    update files.files set status = 'purged', name = '', sha256 = null, updated = now()
    where id = any(${ids}::uuid[]) and status = 'deleted'`.execute(db);
}

/** Puts files at the end of the queue whose objects could not be removed, so that one of them cannot keep the others waiting. */
export async function deferDeletedFiles(db: Kysely<Tables>, ids: readonly string[]): Promise<void> {
  await sql`update files.files set updated = now() where id = any(${ids}::uuid[]) and status = 'deleted'`.execute(
    db,
  );
}
