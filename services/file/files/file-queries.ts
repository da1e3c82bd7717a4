import { sql, type Kysely, type Transaction } from 'kysely';
import { ownedBy } from '@muniment/database';
import type { FileResource } from './file-resource.ts';
import type { FileRow, ReadyFile, Tables } from '../tables.ts';

/** One file of one user. */
export interface OwnFile {
  userId: string;
  id: string;
}

const COLUMNS = sql.raw(`id, user_id, name, size, mime_type, sha256, etag, object_key,
  object_version, status, scan_status, created, updated, deleted_at`);

/** An upload, before its bytes are known. */
export interface NewFile {
  id: string;
  userId: string;
  name: string;
  objectKey: string;
  created: Date;
}

/**
 * Inserts an upload's row before its first byte goes to S3, so a row names what a crash leaves.
 * @returns false when the user has been erased
 */
export async function insertPendingFile(db: Kysely<Tables>, file: NewFile): Promise<boolean> {
  const { numAffectedRows } = await sql`
    insert into files.files (id, user_id, name, object_key, created)
    select ${file.id}::uuid, ${file.userId}::uuid, ${file.name}, ${file.objectKey},
      ${file.created}::timestamptz
    where not exists (select from shared.erasures where user_id = ${file.userId}::uuid)`.execute(
    db,
  );
  return numAffectedRows === 1n;
}

export interface StoredFile {
  id: string;
  size: number;
  mimeType: string;
  sha256: string;
  etag: string;
  objectVersion: string | null;
}

/** Makes an upload a file. @returns undefined when withdrawn or its user erased */
export async function markFileReady(
  trx: Transaction<Tables>,
  file: StoredFile,
): Promise<ReadyFile | undefined> {
  const { rows } = await sql<ReadyFile>`
    update files.files
    set status = 'ready', size = ${file.size}, mime_type = ${file.mimeType},
      sha256 = ${file.sha256}, etag = ${file.etag}, object_version = ${file.objectVersion},
      updated = now()
    where id = ${file.id} and status = 'pending'
    returning ${COLUMNS}`.execute(trx);
  return rows[0];
}

/**
 * Inserts an upload that is a file already. The lock keeps its batch from being withdrawn before
 * the commit: the cleanup would remove the object.
 * @returns undefined when the batch was withdrawn or the user erased
 */
export async function insertReadyFile(
  trx: Transaction<Tables>,
  file: NewFile & Omit<StoredFile, 'id'>,
  batchId: string,
): Promise<ReadyFile | undefined> {
  const { rows } = await sql<ReadyFile>`
    with batch as (
      select from files.object_batches
      where id = ${batchId} and withdrawn is null for key share)
    insert into files.files (id, user_id, name, object_key, created, status, size, mime_type,
      sha256, etag, object_version)
    select ${file.id}::uuid, ${file.userId}::uuid, ${file.name}, ${file.objectKey},
      ${file.created}::timestamptz, 'ready', ${file.size}::bigint, ${file.mimeType},
      ${file.sha256}, ${file.etag}, ${file.objectVersion}
    from batch
    where not exists (select from shared.erasures where user_id = ${file.userId}::uuid)
    returning ${COLUMNS}`.execute(trx);
  return rows[0];
}

/** Finds files of users' own. @returns one for each that was asked for, in that order */
export async function findReadyFiles(
  db: Kysely<Tables>,
  asked: readonly OwnFile[],
): Promise<(ReadyFile | undefined)[]> {
  const { rows } = await sql<ReadyFile & { place: number }>`
    select place, ${COLUMNS}
    from unnest(${asked.map(({ id }) => id)}::uuid[], ${asked.map(({ userId }) => userId)}::uuid[])
      with ordinality as asked (asked_id, owner, place)
    join files.files on id = asked_id and user_id = owner and status = 'ready'`.execute(db);
  const found = new Map(rows.map(({ place, ...file }) => [place, file]));
  // An owner may be asked for beside a stranger, so a file belongs to its place, not to its id.
  return asked.map((_, index) => found.get(index + 1));
}

/** Lists a user's files, newest first, behind the id `before`. */
export async function listReadyFiles(
  db: Kysely<Tables>,
  userId: string,
  { limit, before }: { limit: number; before?: string | undefined },
): Promise<FileResource[]> {
  // Only where there is a cursor. For a bound behind all ids the planner looks up the highest one,
  // each time, past all rows that were deleted since the last vacuum.
  const isBefore = before === undefined ? sql`` : sql`and id < ${before}`;
  // UUIDv7 ids give the order of creation without a sort.
  const { rows } = await sql<FileResource>`
    select id, user_id, name, size, mime_type, sha256, etag, scan_status,
        (created at time zone 'UTC')::text as created,
        (updated at time zone 'UTC')::text as updated
    from files.files
    where ${ownedBy(userId)} and status = 'ready' ${isBefore}
    order by user_id, id desc limit ${limit}`.execute(db);
  for (const row of rows) {
    row.created = isoTime(row.created);
    row.updated = isoTime(row.updated);
  }
  return rows;
}

/** `2026-01-01 10:20:30.123456` to ISO 8601. Date objects would cost a fifth of a list. */
const isoTime = (text: string): string =>
  `${text.slice(0, 10)}T${text.slice(11, 19)}.${text.slice(20, 23).padEnd(3, '0')}Z`;

export async function updateFileName(
  trx: Transaction<Tables>,
  { userId, id, name }: OwnFile & { name: string },
): Promise<ReadyFile | undefined> {
  const { rows } = await sql<ReadyFile>`
    update files.files set name = ${name}, updated = now()
    where id = ${id} and user_id = ${userId} and status = 'ready'
    returning ${COLUMNS}`.execute(trx);
  return rows[0];
}

/** Makes a file disappear. The cleanup removes its bytes. */
export async function markFileDeleted(
  trx: Transaction<Tables>,
  { userId, id }: OwnFile,
): Promise<FileRow | undefined> {
  const { rows } = await sql<FileRow>`
    update files.files set status = 'deleted', deleted_at = now(), updated = now()
    where id = ${id} and user_id = ${userId} and status = 'ready'
    returning ${COLUMNS}`.execute(trx);
  return rows[0];
}

/** Makes up to `limit` of a user's files disappear. */
export async function markFilesOfUserDeleted(
  trx: Transaction<Tables>,
  userId: string,
  limit: number,
): Promise<{ id: string; size: number }[]> {
  const { rows } = await sql<{ id: string; size: number }>`
    update files.files set status = 'deleted', deleted_at = now(), updated = now()
    where id in (
      select id from files.files where user_id = ${userId} and status = 'ready'
      order by id limit ${limit} for update)
    returning id, size`.execute(trx);
  return rows;
}
