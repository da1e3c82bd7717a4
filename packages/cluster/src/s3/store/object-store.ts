import { renameSync } from 'node:fs';
import { mkdir, rm, unlink } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { ObjectChecksum } from '../protocol/checksums.ts';
import { S3Error } from '../protocol/errors.ts';
import type { Bucket } from './bucket-store.ts';
import { addKey, hasKey, keyToPath, removeKey } from './key-index.ts';
import type { Extent } from './extent.ts';
import { syncFolder } from './folder.ts';
import { runExclusively } from './run-exclusively.ts';
import { openSealed, readRecord, writeSealed, type SealedFile } from './sealed-file.ts';

/** What is stored beside an object's bytes. */
export interface ObjectRecord {
  key: string;
  size: number;
  etag: string;
  /** Milliseconds since the epoch. */
  lastModified: number;
  /** Returned on GET and HEAD. */
  headers: Record<string, string>;
  checksum: ObjectChecksum | undefined;
  /** The multipart upload that created the object. */
  uploadId: string | undefined;
  /** Where the bytes lie in the file. Absent: at its start. */
  extents?: Extent[];
}

export type StoredObject = SealedFile<ObjectRecord>;

/** Decides on a change, given the record that it would replace. Throws to refuse. */
export type Precondition = (current: ObjectRecord | undefined) => void;

/** An object to store. `seal` makes its record after the last byte of `data`. */
export interface NewObject {
  data: AsyncIterable<Buffer[]>;
  /** Bytes of `data`. */
  size: number;
  seal(): Omit<ObjectRecord, 'key' | 'lastModified'>;
  precondition: Precondition;
}

/** Opens an object; the caller closes it. A replacement does not affect the reader. */
export function openObject(bucket: Bucket, key: string): StoredObject {
  const object = openSealed<ObjectRecord>(objectPath(bucket, key));
  if (!object) throw new S3Error('NoSuchKey', undefined, { Key: key });
  return object;
}

export function readObjectRecord(bucket: Bucket, key: string): ObjectRecord | undefined {
  return readRecord<ObjectRecord>(objectPath(bucket, key));
}

/** Where the bytes of an object lie in its file. */
export function extentsOf({ size, extents }: ObjectRecord): Extent[] {
  return extents ?? [{ start: 0, size }];
}

/** Stores an object. Readers see the old or the new one; it is on the disk when this resolves. */
export async function putObject(
  bucket: Bucket,
  key: string,
  { data, size, seal, precondition }: NewObject,
): Promise<ObjectRecord> {
  const { store, folder } = bucket;
  const temporary = join(folder, 'temporary', `${store.boot}-${randomUUID()}`);
  let record: ObjectRecord | undefined;
  try {
    await writeSealed(temporary, {
      data,
      size,
      seal: () => (record = { key, lastModified: Date.now(), ...seal() }),
      durable: store.durable,
    });
    await publishObject(bucket, key, { precondition, flushed: async () => temporary });
  } catch (error) {
    await rm(temporary, { force: true });
    throw bucketError(bucket, error);
  }
  if (!record) throw new S3Error('InternalError');
  return record;
}

/** Moves a file to the object's name. `flushed` is called once the precondition holds. */
export function publishObject(
  bucket: Bucket,
  key: string,
  { precondition, flushed }: { precondition: Precondition; flushed: () => Promise<string> },
): Promise<void> {
  const path = objectPath(bucket, key);
  return runExclusively(bucket.writers, key, async () => {
    precondition(currentRecord(bucket, key));
    const file = await flushed();
    await moveInto(bucket, file, path);
    addKey(bucket.keys, key);
  });
}

/** Deletes an object. Like S3, succeeds when there is none. */
export async function deleteObject(
  bucket: Bucket,
  key: string,
  precondition: Precondition,
): Promise<void> {
  await runExclusively(bucket.writers, key, async () => {
    precondition(currentRecord(bucket, key));
    if (!hasKey(bucket.keys, key)) return;
    const path = objectPath(bucket, key);
    await unlink(path);
    removeKey(bucket.keys, key);
    await syncObjectFolder(bucket, dirname(path));
  });
}

/** What a failure means to the client. A deleted bucket's files fail in many ways. */
export function bucketError({ store, name }: Bucket, error: unknown): unknown {
  return store.buckets.has(name)
    ? error
    : new S3Error('NoSuchBucket', undefined, { BucketName: name });
}

/** The record that a change would replace. Most changes create an object and read nothing. */
function currentRecord(bucket: Bucket, key: string): ObjectRecord | undefined {
  return hasKey(bucket.keys, key) ? readObjectRecord(bucket, key) : undefined;
}

function objectPath(bucket: Bucket, key: string): string {
  return join(bucket.folder, 'objects', keyToPath(key));
}

/** Renames a flushed file. The folder is flushed: a power cut could undo the rename. */
async function moveInto(bucket: Bucket, file: string, path: string): Promise<void> {
  const folder = dirname(path);
  if (folder !== bucket.objectFolder.path) await createFolders(bucket, folder);
  renameSync(file, path);
  await syncObjectFolder(bucket, folder);
}

async function syncObjectFolder(bucket: Bucket, folder: string): Promise<void> {
  if (folder === bucket.objectFolder.path) await bucket.objectFolder.sync();
  else if (bucket.store.durable) await syncFolder(folder);
}

async function createFolders(bucket: Bucket, folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (!first || !bucket.store.durable) return;
  for (let path = folder; path.length >= first.length; path = dirname(path))
    await syncFolder(dirname(path));
}
