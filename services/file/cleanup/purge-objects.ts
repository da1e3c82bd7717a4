import { DeleteObjectsCommand } from '@aws-sdk/client-s3';
import type { Kysely } from 'kysely';
import {
  awaitFinalOrphan,
  deferDeletedFiles,
  deferOrphan,
  findDeletedFiles,
  findOrphans,
  deleteOrphan,
  markFilesPurged,
} from './cleanup-queries.ts';
import { removeEverything, type ObjectStore } from '../object-store/object-store.ts';
import { attempt, isS3Unavailable } from '../object-store/unavailable.ts';
import type { Tables } from '../tables.ts';

/** Within the 1000 that one DeleteObjects may name. */
const BATCH = 200;

/**
 * Removes the objects of deleted files (of one user, or of all) and records that they are gone. Idempotent, and harmless when two replicas do
 * it at once: deleting twice is deleting.
 * @throws ObjectStoreUnavailable when S3 is down; Error when S3 refused some, which are tried again after all others
 */
export async function purgeDeletedFiles(
  db: Kysely<Tables>,
  store: ObjectStore,
  userId?: string,
): Promise<void> {
  for (;;) {
    const files = await findDeletedFiles(db, BATCH, userId);
    if (files.length === 0) return;
    const objects = files.map((file) => ({
      Key: file.object_key,
      ...(file.object_version !== null && { VersionId: file.object_version }),
    }));
    const { Errors: errors = [] } = await attempt(() =>
      store.s3.send(
        new DeleteObjectsCommand({
          Bucket: store.bucket,
          Delete: { Objects: objects, Quiet: true },
        }),
      ),
    );
    const refused = new Set(errors.map((error) => error.Key));
    const [kept, gone] = [
      files.filter((file) => refused.has(file.object_key)),
      files.filter((file) => !refused.has(file.object_key)),
    ];
    await markFilesPurged(
      db,
      gone.map((file) => file.id),
    );
    if (kept.length === 0) continue;
    await deferDeletedFiles(
      db,
      kept.map((file) => file.id),
    );
    throw new Error(
      `S3 refused to delete ${kept.length} objects: ${errors[0]?.Code ?? 'no reason given'}`,
    );
  }
}

/**
 * Removes what S3 may hold of uploads that failed (of one user, or all whose turn it is): their objects and the parts of uploads that nobody
 * completed. A request that we gave up may take effect later than its removal, so the note is kept for `lateMs` and all of it removed again.
 * @throws ObjectStoreUnavailable when S3 is down; else, after all others, the error of the last one that could not be removed
 */
export async function removeOrphans(
  db: Kysely<Tables>,
  store: ObjectStore,
  lateMs: number,
  userId?: string,
): Promise<void> {
  const failures: unknown[] = [];
  for (const { object_key: key, is_final: isFinal } of await findOrphans(
    db,
    BATCH,
    lateMs,
    userId,
  )) {
    try {
      await removeEverything(store, key);
      await (isFinal ? deleteOrphan(db, key) : awaitFinalOrphan(db, key, lateMs));
    } catch (error) {
      await deferOrphan(db, key);
      if (isS3Unavailable(error)) throw error;
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures.at(-1);
}
