import { mkdir, readdir, rename, rm, stat, unlink } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import { S3Error } from '../protocol/errors.ts';
import { addKey, hasKey, keyToPath, loadKeys, removeKey, type KeyIndex } from './key-index.ts';
import type { ObjectChecksum } from '../protocol/payload.ts';
import {
  openSealed,
  publish,
  readRecord,
  syncFolder,
  writeSealed,
  type SealedFile,
} from './sealed-file.ts';

/** What is stored beside an object's bytes. `lastModified` in ms; `headers` are those given back on GET and HEAD. */
export type ObjectRecord = {
  key: string;
  size: number;
  etag: string;
  lastModified: number;
  headers: Record<string, string>;
  checksum: ObjectChecksum | undefined;
  uploadId: string | undefined;
};

export type StoredObject = SealedFile<ObjectRecord>;

/** `objects`, `uploads` and `temporary` below `folder`; `writers` chains the changes of each key. */
export type Bucket = {
  name: string;
  folder: string;
  created: Date;
  keys: KeyIndex;
  writers: Map<string, Promise<unknown>>;
  store: Store;
};

export type Store = {
  folder: string;
  buckets: Map<string, Bucket>;
  durable: boolean;
  boot: string;
};

/** Decides on a change, given the record it would replace; throws to refuse. */
export type Precondition = (current: ObjectRecord | undefined) => void;

/** Opens (or makes) the folder that holds all buckets. One process at a time may use it. */
export async function openStore(folder: string, durable: boolean): Promise<Store> {
  const store: Store = { folder, buckets: new Map(), durable, boot: randomUUID() };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory() && isBucketName(entry.name)) await openBucket(store, entry.name);
  }
  return store;
}

/** Removes what a killed process was writing. Only once this process owns the port: else it would hit a living one. */
export async function removeLeftovers(store: Store): Promise<void> {
  for (const bucket of store.buckets.values()) {
    const folder = join(bucket.folder, 'temporary');
    const old = (await readdir(folder)).filter((name) => !name.startsWith(store.boot));
    await Promise.all(old.map((name) => rm(join(folder, name), { force: true })));
  }
  const dropped = (await readdir(store.folder)).filter((name) => name.startsWith('.dropped-'));
  await Promise.all(
    dropped.map((name) => rm(join(store.folder, name), { recursive: true, force: true })),
  );
}

export async function createBucket(store: Store, name: string): Promise<void> {
  if (!isBucketName(name)) throw new S3Error('InvalidBucketName', undefined, { BucketName: name });
  if (store.buckets.has(name))
    throw new S3Error('BucketAlreadyOwnedByYou', undefined, { BucketName: name });
  await openBucket(store, name);
  if (store.durable) await syncFolder(store.folder);
}

export async function dropBucket(bucket: Bucket): Promise<void> {
  const { store, name } = bucket;
  if (bucket.keys.length > 0) throw new S3Error('BucketNotEmpty', undefined, { BucketName: name });
  const grave = join(store.folder, `.dropped-${randomUUID()}`);
  store.buckets.delete(name);
  await rename(bucket.folder, grave);
  await rm(grave, { recursive: true, force: true });
}

export function findBucket(store: Store, name: string): Bucket {
  const bucket = store.buckets.get(name);
  if (!bucket) throw new S3Error('NoSuchBucket', undefined, { BucketName: name });
  return bucket;
}

/** Opens an object for reading; the caller closes its handle. It stays whole when it is replaced or deleted meanwhile. */
export async function openObject(bucket: Bucket, key: string): Promise<StoredObject> {
  const object = await openSealed<ObjectRecord>(objectPath(bucket, key));
  if (!object) throw new S3Error('NoSuchKey', undefined, { Key: key });
  return object;
}

export function readObjectRecord(bucket: Bucket, key: string): Promise<ObjectRecord | undefined> {
  return readRecord<ObjectRecord>(objectPath(bucket, key));
}

/** Stores an object: old or new at any moment, whatever happens, and on the disk when this resolves. */
export async function putObject(
  bucket: Bucket,
  key: string,
  data: AsyncIterable<Buffer>,
  seal: () => Omit<ObjectRecord, 'key' | 'lastModified'>,
  precondition: Precondition,
): Promise<ObjectRecord> {
  let record: ObjectRecord | undefined;
  const path = objectPath(bucket, key);
  await writeTemporary(
    bucket,
    data,
    () => (record = { key, lastModified: Date.now(), ...seal() }),
    (temporary) =>
      exclusively(bucket, key, async () => {
        precondition(await readObjectRecord(bucket, key));
        await makeFolders(bucket, dirname(path));
        await publish(temporary, path, bucket.store.durable);
        addKey(bucket.keys, key);
      }),
  );
  if (!record) throw new S3Error('InternalError');
  return record;
}

/** Deletes an object; like S3, content with there being none. */
export async function deleteObject(
  bucket: Bucket,
  key: string,
  precondition: Precondition,
): Promise<void> {
  await exclusively(bucket, key, async () => {
    precondition(await readObjectRecord(bucket, key));
    if (!hasKey(bucket.keys, key)) return;
    const path = objectPath(bucket, key);
    await unlink(path);
    removeKey(bucket.keys, key);
    if (bucket.store.durable) await syncFolder(dirname(path));
  });
}

/** Writes a sealed file beside the bucket's objects and lets `place` move it; nothing is left behind on an error. */
export async function writeTemporary(
  bucket: Bucket,
  data: AsyncIterable<Buffer>,
  seal: () => unknown,
  place: (path: string) => Promise<void>,
): Promise<void> {
  const temporary = join(bucket.folder, 'temporary', `${bucket.store.boot}-${randomUUID()}`);
  try {
    await writeSealed(temporary, data, seal, bucket.store.durable);
    await place(temporary);
  } catch (error) {
    await rm(temporary, { force: true });
    if (!bucket.store.buckets.has(bucket.name))
      throw new S3Error('NoSuchBucket', undefined, { BucketName: bucket.name });
    throw error;
  }
}

function objectPath(bucket: Bucket, key: string): string {
  return join(bucket.folder, 'objects', keyToPath(key));
}

function isBucketName(name: string): boolean {
  return (
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) &&
    !name.includes('..') &&
    !/^\d+\.\d+\.\d+\.\d+$/.test(name)
  );
}

async function openBucket(store: Store, name: string): Promise<void> {
  const folder = join(store.folder, name);
  for (const part of ['objects', 'uploads', 'temporary'])
    await mkdir(join(folder, part), { recursive: true, mode: 0o700 });
  if (store.durable) await syncFolder(folder);
  const { birthtime } = await stat(folder);
  store.buckets.set(name, {
    name,
    folder,
    created: birthtime,
    keys: await loadKeys(join(folder, 'objects')),
    writers: new Map(),
    store,
  });
}

async function makeFolders(bucket: Bucket, folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (!first || !bucket.store.durable) return;
  for (let path = folder; path.length >= first.length; path = dirname(path))
    await syncFolder(dirname(path));
}

// Changes of one key run one after the other, so that a precondition still holds when its change is made.
async function exclusively<T>(bucket: Bucket, key: string, change: () => Promise<T>): Promise<T> {
  const before = bucket.writers.get(key) ?? Promise.resolve();
  const mine = before.then(change, change);
  bucket.writers.set(key, mine);
  try {
    return await mine;
  } finally {
    if (bucket.writers.get(key) === mine) bucket.writers.delete(key);
  }
}
