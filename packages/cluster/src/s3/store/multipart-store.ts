import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { S3Error } from '../protocol/errors.ts';
import type { Payload } from '../protocol/payload.ts';
import type { Bucket } from './bucket-store.ts';
import { releaseExtent, reserveExtent, type Extent } from './extent.ts';
import { bucketError } from './object-store.ts';
import { runExclusively } from './run-exclusively.ts';
import {
  appendPart,
  createUploadFiles,
  deleteUploadFiles,
  uploadFiles,
  type OpenUpload,
  type Part,
  type Upload,
} from './upload-journal.ts';
import { writeBatches } from './write-batches.ts';

export async function createUpload(
  bucket: Bucket,
  upload: Omit<Upload, 'id' | 'initiated'>,
): Promise<Upload> {
  const created: Upload = { id: randomBytes(24).toString('hex'), initiated: Date.now(), ...upload };
  try {
    await createUploadFiles(bucket.uploadFolder.path, created, bucket.store.durable);
    await bucket.uploadFolder.sync();
  } catch (error) {
    await deleteUploadFiles(bucket.uploadFolder.path, created.id);
    throw bucketError(bucket, error);
  }
  bucket.uploads.set(created.id, { ...created, parts: new Map(), taken: [] });
  return created;
}

/** @throws NoSuchUpload, also for an id that belongs to another key */
export function findUpload(bucket: Bucket, key: string, id: string): OpenUpload {
  const upload = bucket.uploads.get(id);
  if (upload?.key !== key) throw new S3Error('NoSuchUpload', undefined, { UploadId: id });
  return upload;
}

/** Writes a part to where the object will have it. It is on the disk when this resolves. */
export async function putPart(
  bucket: Bucket,
  { key, id }: Upload,
  { number, payload }: { number: number; payload: Payload },
): Promise<Part> {
  // Not while the upload is completed: the end of its file is where the record goes.
  const extent = await changeUpload(bucket, id, async () =>
    reserveExtent(findUpload(bucket, key, id).taken, payload.size),
  );
  try {
    await writePart(bucket, id, { extent, payload });
  } catch (error) {
    await changeUpload(bucket, id, async () => release(bucket, id, extent));
    throw bucketError(bucket, error);
  }
  const { size, md5, checksum } = payload.result();
  const part: Part = { number, size, etag: md5, lastModified: Date.now(), checksum, extent };
  await changeUpload(bucket, id, () => addPart(bucket, findUpload(bucket, key, id), part));
  return part;
}

async function addPart(bucket: Bucket, { id, parts }: OpenUpload, part: Part): Promise<void> {
  const { journal } = uploadFiles(bucket.uploadFolder.path, id);
  // After an error the extent stays taken: the record may be in the journal.
  await appendPart(journal, part, bucket.store.durable).catch((error: unknown) => {
    throw bucketError(bucket, error);
  });
  const replaced = parts.get(part.number);
  parts.set(part.number, part);
  if (replaced) release(bucket, id, replaced.extent);
}

/** Deletes an upload and its parts. */
export function deleteUpload(bucket: Bucket, id: string): Promise<void> {
  return changeUpload(bucket, id, async () => {
    bucket.uploads.delete(id);
    await deleteUploadFiles(bucket.uploadFolder.path, id);
  });
}

/** All parts of an upload, by number. */
export function listParts(upload: OpenUpload): Part[] {
  return [...upload.parts.values()].toSorted((a, b) => a.number - b.number);
}

/** All open uploads, by key and then by start. */
export function listUploads(bucket: Bucket): Upload[] {
  return [...bucket.uploads.values()].toSorted(
    (a, b) =>
      Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) ||
      a.initiated - b.initiated ||
      (a.id < b.id ? -1 : 1),
  );
}

/** Runs changes of an upload's places one after another. */
export function changeUpload<T>(bucket: Bucket, id: string, change: () => Promise<T>): Promise<T> {
  return runExclusively(bucket.uploadWriters, id, change);
}

function release(bucket: Bucket, id: string, extent: Extent): void {
  const upload = bucket.uploads.get(id);
  if (upload) releaseExtent(upload.taken, extent);
}

async function writePart(
  bucket: Bucket,
  id: string,
  { extent, payload }: { extent: Extent; payload: Payload },
): Promise<void> {
  const { data } = uploadFiles(bucket.uploadFolder.path, id);
  const handle = await open(data, 'r+').catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT'
      ? new S3Error('NoSuchUpload', undefined, { UploadId: id })
      : error;
  });
  try {
    await writeBatches(handle, payload.batches, { position: extent.start });
    if (bucket.store.durable) await handle.datasync();
  } finally {
    await handle.close();
  }
}
