import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { ObjectStore } from '../object-store/object-store.ts';
import { attempt, isS3Unavailable } from '../object-store/unavailable.ts';
import {
  deferWithdrawnBatch,
  deleteWithdrawnBatch,
  findUnknownKeys,
  findWithdrawnBatches,
} from '../object-batches/object-batch-queries.ts';
import { prefixOf } from '../object-batches/object-batches.ts';
import { deleteObjects, type Purge } from './purge-objects.ts';

const BATCH_COUNT = 10;

/**
 * Removes the objects of dead replicas that no row names. No upload of a withdrawn batch can
 * commit, and after `lateMs` S3 carries out none of its requests. Idempotent.
 * @throws ObjectStoreUnavailable, else the last error, after all others were tried
 */
export async function sweepBatches({ db, store }: Purge, lateMs: number): Promise<void> {
  const failures: unknown[] = [];
  for (const id of await findWithdrawnBatches(db, { lateMs, limit: BATCH_COUNT })) {
    try {
      await removeUnknownObjects({ db, store }, prefixOf(id));
      await deleteWithdrawnBatch(db, id);
    } catch (error) {
      if (isS3Unavailable(error)) throw error;
      await deferWithdrawnBatch(db, id);
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures.at(-1);
}

async function removeUnknownObjects({ db, store }: Purge, prefix: string): Promise<void> {
  let token: string | undefined;
  do {
    const { keys, next } = await listKeys(store, prefix, token);
    const unknown = await findUnknownKeys(db, keys);
    const objects = unknown.map((key) => ({ object_key: key, object_version: null }));
    const [refusal] = objects.length > 0 ? await deleteObjects(store, objects) : [];
    if (refusal) throw new Error(`S3 refused to delete objects of a batch: ${refusal.Code}`);
    token = next;
  } while (token !== undefined);
}

/** One page: S3 lists up to 1000 keys. */
async function listKeys(
  { s3, bucket }: ObjectStore,
  prefix: string,
  token: string | undefined,
): Promise<{ keys: string[]; next: string | undefined }> {
  const page = await attempt(() =>
    s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token })),
  );
  const keys = (page.Contents ?? []).flatMap(({ Key }) => (Key === undefined ? [] : [Key]));
  return { keys, next: page.NextContinuationToken };
}
