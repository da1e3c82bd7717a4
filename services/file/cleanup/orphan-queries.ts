import { sql, type Kysely } from 'kysely';
import type { Tables } from '../tables.ts';

/** An object in S3 that no file has. */
export interface Orphan {
  object_key: string;
  /** Whether S3 can no longer carry out its upload, so a removal lasts. */
  is_final: boolean;
}

/**
 * Lists due orphans, longest waiting first, or all of one user.
 * @param lateMs age at which an orphan is final
 */
export async function findOrphans(
  db: Kysely<Tables>,
  { limit, lateMs, userId }: { limit: number; lateMs: number; userId?: string | undefined },
): Promise<Orphan[]> {
  const condition = userId === undefined ? sql`not_before <= now()` : sql`user_id = ${userId}`;
  const { rows } = await sql<Orphan>`
    select object_key, since <= now() - ${lateMs} * interval '1 millisecond' as is_final
    from files.orphans where ${condition} order by not_before limit ${limit}`.execute(db);
  return rows;
}

/** Delays an orphan that was removed early, until it is final. */
export async function awaitFinalOrphan(
  db: Kysely<Tables>,
  objectKey: string,
  lateMs: number,
): Promise<void> {
  await sql`
    update files.orphans set not_before = since + ${lateMs} * interval '1 millisecond'
    where object_key = ${objectKey}`.execute(db);
}

/** Records that S3 holds nothing under this key. */
export async function deleteOrphan(db: Kysely<Tables>, objectKey: string): Promise<void> {
  await sql`delete from files.orphans where object_key = ${objectKey}`.execute(db);
}

/** Delays an orphan whose removal failed, so others come first. */
export async function deferOrphan(db: Kysely<Tables>, objectKey: string): Promise<void> {
  await sql`
    update files.orphans set not_before = now() + interval '10 seconds'
    where object_key = ${objectKey}`.execute(db);
}
