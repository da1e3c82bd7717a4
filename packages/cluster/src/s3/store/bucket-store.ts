import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { S3Error } from '../protocol/errors.ts';
import { loadKeys, type KeyIndex } from './key-index.ts';
import { openFolder, syncFolder, type Folder } from './folder.ts';
import { loadUploads, type OpenUpload } from './upload-journal.ts';

/** A folder with `objects`, `uploads` and `temporary` below it. */
export interface Bucket {
  name: string;
  folder: string;
  objectFolder: Folder;
  uploadFolder: Folder;
  created: Date;
  keys: KeyIndex;
  /** Open multipart uploads by id. */
  uploads: Map<string, OpenUpload>;
  /** Files that a killed process left among the uploads. */
  leftovers: string[];
  /** The last pending change of each key. */
  writers: Map<string, Promise<unknown>>;
  /** The last pending change of each upload. */
  uploadWriters: Map<string, Promise<unknown>>;
  store: Store;
}

export interface Store {
  folder: string;
  buckets: Map<string, Bucket>;
  /** Whether writes are flushed to the disk. */
  durable: boolean;
  /** Unique for this process; its temporary files begin with it. */
  boot: string;
}

/** Opens (or creates) the folder that holds all buckets. One process at a time may use it. */
export async function openStore(folder: string, durable: boolean): Promise<Store> {
  const store: Store = { folder, buckets: new Map(), durable, boot: randomUUID() };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory() && isBucketName(entry.name)) await openBucket(store, entry.name);
  }
  return store;
}

/**
 * Deletes what a killed process was writing.
 * Call it after listening: a process that does not own the port could delete a living one's files.
 */
export async function deleteLeftovers(store: Store): Promise<void> {
  for (const bucket of store.buckets.values()) {
    const folder = join(bucket.folder, 'temporary');
    const leftovers = (await readdir(folder)).filter((name) => !name.startsWith(store.boot));
    await Promise.all(leftovers.map((name) => rm(join(folder, name), { force: true })));
    // Folders are uploads of an earlier version, which nobody can continue.
    const { path } = bucket.uploadFolder;
    await Promise.all(
      bucket.leftovers.map((name) => rm(join(path, name), { recursive: true, force: true })),
    );
  }
  const dropped = (await readdir(store.folder)).filter((name) => name.startsWith('.dropped-'));
  await Promise.all(
    dropped.map((name) => rm(join(store.folder, name), { recursive: true, force: true })),
  );
}

/** Closes what `openStore` opened. */
export async function closeStore(store: Store): Promise<void> {
  await Promise.all([...store.buckets.values()].map(closeFolders));
}

export async function createBucket(store: Store, name: string): Promise<void> {
  if (!isBucketName(name)) throw new S3Error('InvalidBucketName', undefined, { BucketName: name });
  if (store.buckets.has(name))
    throw new S3Error('BucketAlreadyOwnedByYou', undefined, { BucketName: name });
  await openBucket(store, name);
  if (store.durable) await syncFolder(store.folder);
}

/** Deletes an empty bucket. The rename comes first, so a crash leaves no half-deleted bucket. */
export async function deleteBucket(bucket: Bucket): Promise<void> {
  const { store, name } = bucket;
  if (bucket.keys.length > 0) throw new S3Error('BucketNotEmpty', undefined, { BucketName: name });
  const dropped = join(store.folder, `.dropped-${randomUUID()}`);
  store.buckets.delete(name);
  await closeFolders(bucket);
  await rename(bucket.folder, dropped);
  await rm(dropped, { recursive: true, force: true });
}

/** @throws NoSuchBucket */
export function findBucket(store: Store, name: string): Bucket {
  const bucket = store.buckets.get(name);
  if (!bucket) throw new S3Error('NoSuchBucket', undefined, { BucketName: name });
  return bucket;
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
  const [objects, uploads] = [join(folder, 'objects'), join(folder, 'uploads')];
  store.buckets.set(name, {
    name,
    folder,
    objectFolder: await openFolder(objects, store.durable),
    uploadFolder: await openFolder(uploads, store.durable),
    created: birthtime,
    keys: await loadKeys(objects),
    ...(await loadUploads(uploads)),
    writers: new Map(),
    uploadWriters: new Map(),
    store,
  });
}

async function closeFolders({ objectFolder, uploadFolder }: Bucket): Promise<void> {
  await Promise.all([objectFolder.close(), uploadFolder.close()]);
}
