import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ChecksumAlgorithm, ObjectChecksum } from '../protocol/checksums.ts';
import { S3Error } from '../protocol/errors.ts';
import type { Payload } from '../protocol/payload.ts';
import type { Bucket } from './bucket-store.ts';
import { writeTemporary } from './object-store.ts';
import { openSealed, publish, readRecord, syncFolder, type SealedFile } from './sealed-file.ts';

export interface Upload {
  id: string;
  key: string;
  /** Milliseconds since the epoch. */
  initiated: number;
  headers: Record<string, string>;
  checksum: { algorithm: ChecksumAlgorithm; type: ObjectChecksum['type'] } | undefined;
}

export interface Part {
  number: number;
  size: number;
  etag: string;
  /** Milliseconds since the epoch. */
  lastModified: number;
  checksum: ObjectChecksum | undefined;
}

export async function createUpload(
  bucket: Bucket,
  upload: Omit<Upload, 'id' | 'initiated'>,
): Promise<Upload> {
  const created: Upload = { id: randomBytes(24).toString('hex'), initiated: Date.now(), ...upload };
  const folder = join(bucket.folder, 'uploads', created.id);
  await mkdir(folder, { mode: 0o700 });
  await writeTemporary(bucket, {
    data: noData(),
    seal: () => created,
    place: (temporary) => publish(temporary, join(folder, 'upload'), bucket.store.durable),
  });
  if (bucket.store.durable) await syncFolder(join(bucket.folder, 'uploads'));
  return created;
}

/** @throws NoSuchUpload, also for an id that belongs to another key */
export async function findUpload(bucket: Bucket, key: string, id: string): Promise<Upload> {
  const upload = isUploadId(id)
    ? await readRecord<Upload>(join(bucket.folder, 'uploads', id, 'upload'))
    : undefined;
  if (upload?.key !== key) throw new S3Error('NoSuchUpload', undefined, { UploadId: id });
  return upload;
}

export async function putPart(
  bucket: Bucket,
  upload: Upload,
  { number, payload }: { number: number; payload: Payload },
): Promise<Part> {
  let part: Part | undefined;
  await writeTemporary(bucket, {
    data: payload.chunks,
    seal: () => {
      const { size, md5, checksum } = payload.result();
      return (part = { number, size, etag: md5, lastModified: Date.now(), checksum });
    },
    place: (temporary) =>
      publish(temporary, partPath(bucket, upload.id, number), bucket.store.durable).catch(
        (error: NodeJS.ErrnoException) => {
          throw error.code === 'ENOENT'
            ? new S3Error('NoSuchUpload', undefined, { UploadId: upload.id })
            : error;
        },
      ),
  });
  if (!part) throw new S3Error('InternalError');
  return part;
}

/** Opens a part for reading; the caller closes its handle. Undefined when it is gone. */
export function openPart(
  bucket: Bucket,
  uploadId: string,
  number: number,
): Promise<SealedFile<Part> | undefined> {
  return openSealed<Part>(partPath(bucket, uploadId, number));
}

/** Deletes an upload and its parts. */
export async function deleteUpload(bucket: Bucket, id: string): Promise<void> {
  await rm(join(bucket.folder, 'uploads', id), { recursive: true, force: true });
}

/** All parts of an upload, by number. */
export async function listParts(bucket: Bucket, upload: Upload): Promise<Part[]> {
  const folder = join(bucket.folder, 'uploads', upload.id);
  const names = (await readdir(folder)).filter((name) => name !== 'upload').sort();
  const parts = await Promise.all(names.map((name) => readRecord<Part>(join(folder, name))));
  return parts.filter((part) => part !== undefined);
}

/** All open uploads, by key and then by start. */
export async function listUploads(bucket: Bucket): Promise<Upload[]> {
  const ids = (await readdir(join(bucket.folder, 'uploads'))).filter(isUploadId);
  const uploads = await Promise.all(
    ids.map((id) => readRecord<Upload>(join(bucket.folder, 'uploads', id, 'upload'))),
  );
  return uploads
    .filter((upload) => upload !== undefined)
    .sort(
      (a, b) =>
        Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) ||
        a.initiated - b.initiated ||
        (a.id < b.id ? -1 : 1),
    );
}

function partPath(bucket: Bucket, id: string, number: number): string {
  return join(bucket.folder, 'uploads', id, String(number).padStart(5, '0'));
}

function isUploadId(id: string): boolean {
  return /^[0-9a-f]{48}$/.test(id);
}

async function* noData(): AsyncGenerator<Buffer> {
  // An upload has no bytes of its own.
}
