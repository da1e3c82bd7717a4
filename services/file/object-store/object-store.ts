import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { BufferPool } from './buffer-pool.ts';
import { attempt } from './unavailable.ts';

/** Where the bytes of files lie, and the memory through which they get there. */
export interface ObjectStore {
  s3: S3Client;
  bucket: string;
  pool: BufferPool;
  /** Time in which S3 must have answered a request without a body. */
  requestTimeoutMs: number;
}

/** Removes an object. Done all the same when there is none. */
export async function deleteObject(
  { s3, bucket }: ObjectStore,
  key: string,
  versionId: string | null = null,
): Promise<void> {
  await attempt(() =>
    s3.send(
      new DeleteObjectCommand({
        Bucket: bucket,
        Key: key,
        ...(versionId !== null && { VersionId: versionId }),
      }),
    ),
  );
}

/** Aborts one multipart upload; one that is no longer there is no error. */
export async function abortUpload(
  { s3, bucket }: ObjectStore,
  key: string,
  uploadId: string,
): Promise<void> {
  try {
    await attempt(() =>
      s3.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId })),
    );
  } catch (error) {
    if (!(error instanceof Error && error.name === 'NoSuchUpload')) throw error;
  }
}

/** Aborts every multipart upload that is open for a key, whoever began it and whether or not its id was ever learnt. */
export async function abortOpenUploads(store: ObjectStore, key: string): Promise<void> {
  const { Uploads: uploads = [] } = await attempt(() =>
    store.s3.send(new ListMultipartUploadsCommand({ Bucket: store.bucket, Prefix: key })),
  );
  for (const { Key, UploadId } of uploads) {
    if (Key === key && UploadId !== undefined) await abortUpload(store, key, UploadId);
  }
}

/** Removes whatever S3 may hold under a key of which nobody knows how far its upload came. */
export async function removeEverything(store: ObjectStore, key: string): Promise<void> {
  // The parts first: one of them could still be completed into an object.
  await abortOpenUploads(store, key);
  await deleteObject(store, key);
}
