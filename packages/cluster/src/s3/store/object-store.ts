import { mkdir, rm, unlink } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { ObjectChecksum } from '../protocol/checksums.ts';
import { S3Error } from '../protocol/errors.ts';
import type { Bucket } from './bucket-store.ts';
import { addKey, hasKey, keyToPath, removeKey } from './key-index.ts';
import {
  openSealed,
  publish,
  readRecord,
  syncFolder,
  writeSealed,
  type SealedFile,
} from './sealed-file.ts';

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
}

export type StoredObject = SealedFile<ObjectRecord>;

/** Decides on a change, given the record that it would replace. Throws to refuse. */
export type Precondition = (current: ObjectRecord | undefined) => void;

/** An object to store. `seal` makes its record after the last byte of `data`. */
export interface NewObject {
  data: AsyncIterable<Buffer>;
  seal(): Omit<ObjectRecord, 'key' | 'lastModified'>;
  precondition: Precondition;
}

/** Opens an object; the caller closes its handle. A replacement does not affect the reader. */
export async function openObject(bucket: Bucket, key: string): Promise<StoredObject> {
  const object = await openSealed<ObjectRecord>(objectPath(bucket, key));
  if (!object) throw new S3Error('NoSuchKey', undefined, { Key: key });
  return object;
}

export function readObjectRecord(bucket: Bucket, key: string): Promise<ObjectRecord | undefined> {
  return readRecord<ObjectRecord>(objectPath(bucket, key));
}

/** Stores an object. Readers see the old or the new one; it is on the disk when this resolves. */
export async function putObject(
  bucket: Bucket,
  key: string,
  { data, seal, precondition }: NewObject,
): Promise<ObjectRecord> {
  let record: ObjectRecord | undefined;
  const path = objectPath(bucket, key);
  await writeTemporary(bucket, {
    data,
    seal: () => (record = { key, lastModified: Date.now(), ...seal() }),
    place: (temporary) =>
      runExclusively(bucket, key, async () => {
        precondition(await readObjectRecord(bucket, key));
        await createFolders(bucket, dirname(path));
        await publish(temporary, path, bucket.store.durable);
        addKey(bucket.keys, key);
      }),
  });
  if (!record) throw new S3Error('InternalError');
  return record;
}

/** Deletes an object. Like S3, succeeds when there is none. */
export async function deleteObject(
  bucket: Bucket,
  key: string,
  precondition: Precondition,
): Promise<void> {
  await runExclusively(bucket, key, async () => {
    precondition(await readObjectRecord(bucket, key));
    if (!hasKey(bucket.keys, key)) return;
    const path = objectPath(bucket, key);
    await unlink(path);
    removeKey(bucket.keys, key);
    if (bucket.store.durable) await syncFolder(dirname(path));
  });
}

/** Writes a temporary sealed file, which `place` moves to its name. An error leaves no file. */
export async function writeTemporary(
  bucket: Bucket,
  file: { data: AsyncIterable<Buffer>; seal(): unknown; place(temporary: string): Promise<void> },
): Promise<void> {
  const { store, name, folder } = bucket;
  const temporary = join(folder, 'temporary', `${store.boot}-${randomUUID()}`);
  try {
    await writeSealed(temporary, { ...file, durable: store.durable });
    await file.place(temporary);
  } catch (error) {
    await rm(temporary, { force: true });
    if (!store.buckets.has(name))
      throw new S3Error('NoSuchBucket', undefined, { BucketName: name });
    throw error;
  }
}

function objectPath(bucket: Bucket, key: string): string {
  return join(bucket.folder, 'objects', keyToPath(key));
}

async function createFolders(bucket: Bucket, folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (!first || !bucket.store.durable) return;
  for (let path = folder; path.length >= first.length; path = dirname(path))
    await syncFolder(dirname(path));
}

// Changes of one key run one after another, so a precondition still holds when its change is made.
async function runExclusively<T>(
  bucket: Bucket,
  key: string,
  change: () => Promise<T>,
): Promise<T> {
  const before = bucket.writers.get(key) ?? Promise.resolve();
  const current = before.then(change, change);
  bucket.writers.set(key, current);
  try {
    return await current;
  } finally {
    if (bucket.writers.get(key) === current) bucket.writers.delete(key);
  }
}
