import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { BufferPool } from './buffer-pool.ts';
import type { PutBytes } from './put-bytes.ts';
import { attempt } from './unavailable.ts';

/** The files' bucket and the buffers of uploads. */
export interface ObjectStore {
  s3: S3Client;
  bucket: string;
  pool: BufferPool;
  /** Sends bytes cheaply; all else goes by `s3`. */
  putBytes: PutBytes;
  /** Time in which S3 must answer a request without a body. */
  requestTimeoutMs: number;
}

/** Deletes an object, if it exists. */
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

/** Aborts a multipart upload, if it exists. */
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

/** Aborts all multipart uploads of a key, also with unknown ids. */
export async function abortOpenUploads(store: ObjectStore, key: string): Promise<void> {
  const { Uploads: uploads = [] } = await attempt(() =>
    store.s3.send(new ListMultipartUploadsCommand({ Bucket: store.bucket, Prefix: key })),
  );
  for (const { Key, UploadId } of uploads) {
    if (Key === key && UploadId !== undefined) await abortUpload(store, key, UploadId);
  }
}

/** Removes everything under a failed upload's key. */
export async function deleteAllUnder(store: ObjectStore, key: string): Promise<void> {
  // Parts first: they could still be completed into an object.
  await abortOpenUploads(store, key);
  await deleteObject(store, key);
}
