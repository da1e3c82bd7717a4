import { sql, type Kysely } from 'kysely';
import type { Tables } from '../tables.ts';

export interface DeletedFile {
  id: string;
  object_key: string;
  object_version: string | null;
}

/** Lists deleted files with remaining objects, longest deleted first. */
export async function findDeletedFiles(
  db: Kysely<Tables>,
  limit: number,
  userId?: string,
): Promise<DeletedFile[]> {
  const condition = userId === undefined ? sql`` : sql`and user_id = ${userId}`;
  const { rows } = await sql<DeletedFile>`
    select id, object_key, object_version from files.files
    where status = 'deleted' ${condition} order by updated limit ${limit}`.execute(db);
  return rows;
}

/** Records that no byte is left. Rows stay for the trail, without name and hash. */
export async function markFilesPurged(db: Kysely<Tables>, ids: readonly string[]): Promise<void> {
  await sql`
    update files.files set status = 'purged', name = '', sha256 = null, updated = now()
    where id = any(${ids}::uuid[]) and status = 'deleted'`.execute(db);
}

/** Moves files whose removal failed to the end of the queue. */
export async function deferDeletedFiles(db: Kysely<Tables>, ids: readonly string[]): Promise<void> {
  await sql`
    update files.files set updated = now()
    where id = any(${ids}::uuid[]) and status = 'deleted'`.execute(db);
}

/** Lists users erased within an hour whose uploads committed during the erasure. */
export async function findErasedUsersWithFiles(db: Kysely<Tables>): Promise<string[]> {
  const { rows } = await sql<{ user_id: string }>`
    select e.user_id from shared.erasures e
    where e.files_done and e.requested_at > now() - interval '1 hour'
      and exists (
        select from files.files f
        where f.user_id = e.user_id and f.status in ('pending', 'ready'))`.execute(db);
  return rows.map((row) => row.user_id);
}
