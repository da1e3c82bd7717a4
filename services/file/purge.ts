import { DeleteObjectsCommand } from '@aws-sdk/client-s3';
import type { Kysely } from 'kysely';
import { deferDeletedFiles, deferOrphan, findDeletedFiles, findOrphans, forgetOrphan, markFilesPurged } from './queries/settling.ts';
import { removeEverything, type ObjectStore } from './s3/object-store.ts';
import { attempt } from './s3/unavailable.ts';
import type { Tables } from './tables.ts';

/** Within the 1000 that one DeleteObjects may name. */
const BATCH = 200;

/**
 * Removes the objects of deleted files (of one user, or of all) and records that they are gone. Idempotent, and harmless when two replicas do
 * it at once: deleting twice is deleting.
 * @throws ObjectStoreUnavailable when S3 is down; Error when S3 refused some, which are tried again after all others
 */
export async function purgeDeletedFiles(db: Kysely<Tables>, store: ObjectStore, userId?: string): Promise<void> {
  for (;;) {
    const files = await findDeletedFiles(db, BATCH, userId);
    if (files.length === 0) return;
    const objects = files.map((file) => ({ Key: file.object_key, ...(file.object_version !== null && { VersionId: file.object_version }) }));
    const { Errors: errors = [] } = await attempt(() => store.s3.send(new DeleteObjectsCommand({ Bucket: store.bucket, Delete: { Objects: objects, Quiet: true } })));
    const refused = new Set(errors.map((error) => error.Key));
    const [kept, gone] = [files.filter((file) => refused.has(file.object_key)), files.filter((file) => !refused.has(file.object_key))];
    await markFilesPurged(db, gone.map((file) => file.id));
    if (kept.length === 0) continue;
    await deferDeletedFiles(db, kept.map((file) => file.id));
    throw new Error(`S3 refused to delete ${kept.length} objects: ${errors[0]?.Code ?? 'no reason given'}`);
  }
}

/**
 * Removes what S3 may hold of uploads that failed: their objects and the parts of uploads that nobody completed.
 * @throws as purgeDeletedFiles
 */
export async function removeOrphans(db: Kysely<Tables>, store: ObjectStore): Promise<void> {
  for (const key of await findOrphans(db, BATCH)) {
    try {
      await removeEverything(store, key);
    } catch (error) {
      await deferOrphan(db, key);
      throw error;
    }
    await forgetOrphan(db, key);
  }
}
