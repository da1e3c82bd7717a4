import { DeleteObjectsCommand, type _Error as S3Error } from '@aws-sdk/client-s3';
import type { Kysely } from 'kysely';
import { deleteAllUnder, type ObjectStore } from '../object-store/object-store.ts';
import { attempt, isS3Unavailable } from '../object-store/unavailable.ts';
import type { Tables } from '../tables.ts';
import {
  deferDeletedFiles,
  findDeletedFiles,
  markFilesPurged,
  type DeletedFile,
} from './deleted-file-queries.ts';
import { awaitFinalOrphan, deferOrphan, deleteOrphan, findOrphans } from './orphan-queries.ts';

/** S3 allows 1000 objects in one DeleteObjects. */
const BATCH_SIZE = 200;

/** What is to be removed from where. */
export interface Purge {
  db: Kysely<Tables>;
  store: ObjectStore;
  /** One user; absent: all. */
  userId?: string;
}

/**
 * Removes the objects of deleted files and records it. Idempotent.
 * @throws ObjectStoreUnavailable; Error when S3 refused some, which are retried last
 */
export async function purgeDeletedFiles({ db, store, userId }: Purge): Promise<void> {
  for (;;) {
    const files = await findDeletedFiles(db, BATCH_SIZE, userId);
    if (files.length === 0) return;
    const errors = await deleteObjects(store, files);
    const refusedKeys = new Set(errors.map((error) => error.Key));
    const isRefused = (file: DeletedFile): boolean => refusedKeys.has(file.object_key);
    await markFilesPurged(db, idsOf(files.filter((file) => !isRefused(file))));
    const refused = files.filter(isRefused);
    if (refused.length === 0) continue;
    await deferDeletedFiles(db, idsOf(refused));
    const reason = errors[0]?.Code ?? 'no reason given';
    throw new Error(`S3 refused to delete ${refused.length} objects: ${reason}`);
  }
}

const idsOf = (files: readonly DeletedFile[]): string[] => files.map(({ id }) => id);

/** @returns S3's refusals */
export async function deleteObjects(
  { s3, bucket }: ObjectStore,
  files: readonly Pick<DeletedFile, 'object_key' | 'object_version'>[],
): Promise<S3Error[]> {
  const objects = files.map((file) => ({
    Key: file.object_key,
    ...(file.object_version !== null && { VersionId: file.object_version }),
  }));
  const command = () =>
    new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: objects, Quiet: true } });
  return (await attempt(() => s3.send(command()))).Errors ?? [];
}

/**
 * Removes what failed uploads left. S3 may still carry out their requests, so orphans are removed
 * again after `lateMs`.
 * @throws ObjectStoreUnavailable, else the last error, after all others were tried
 */
export async function removeOrphans({ db, store, userId }: Purge, lateMs: number): Promise<void> {
  const failures: unknown[] = [];
  const orphans = await findOrphans(db, { limit: BATCH_SIZE, lateMs, userId });
  for (const { object_key: key, is_final: isFinal } of orphans) {
    try {
      await deleteAllUnder(store, key);
      await (isFinal ? deleteOrphan(db, key) : awaitFinalOrphan(db, key, lateMs));
    } catch (error) {
      await deferOrphan(db, key);
      if (isS3Unavailable(error)) throw error;
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures.at(-1);
}
