import { randomBytes, createHash } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createChecksum, type ChecksumAlgorithm } from '../protocol/checksums.ts';
import { S3Error } from '../protocol/errors.ts';
import {
  putObject,
  readObjectRecord,
  writeTemporary,
  type Bucket,
  type ObjectRecord,
  type Precondition,
} from './object-store.ts';
import type { ObjectChecksum, Payload } from '../protocol/payload.ts';
import { openSealed, publish, readRecord, syncFolder } from './sealed-file.ts';

/** S3's smallest part, the last one excepted. */
export const minPartBytes = 5 * 1024 ** 2;

export type Upload = {
  id: string;
  key: string;
  initiated: number;
  headers: Record<string, string>;
  checksum: { algorithm: ChecksumAlgorithm; type: ObjectChecksum['type'] } | undefined;
};

export type Part = {
  number: number;
  size: number;
  etag: string;
  lastModified: number;
  checksum: ObjectChecksum | undefined;
};

/** A part as the client lists it to complete an upload. */
export type ListedPart = {
  number: number;
  etag: string;
  checksums: Map<ChecksumAlgorithm, string>;
};

export async function createUpload(
  bucket: Bucket,
  upload: Omit<Upload, 'id' | 'initiated'>,
): Promise<Upload> {
  const made: Upload = { id: randomBytes(24).toString('hex'), initiated: Date.now(), ...upload };
  const folder = join(bucket.folder, 'uploads', made.id);
  await mkdir(folder, { mode: 0o700 });
  await writeTemporary(
    bucket,
    noData(),
    () => made,
    (temporary) => publish(temporary, join(folder, 'upload'), bucket.store.durable),
  );
  if (bucket.store.durable) await syncFolder(join(bucket.folder, 'uploads'));
  return made;
}

/** The upload under its id and key, else NoSuchUpload. */
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
  number: number,
  payload: Payload,
): Promise<Part> {
  let part: Part | undefined;
  const seal = (): Part => {
    const { size, md5, checksum } = payload.result();
    return (part = { number, size, etag: md5, lastModified: Date.now(), checksum });
  };
  await writeTemporary(bucket, payload.chunks, seal, (temporary) =>
    publish(temporary, partPath(bucket, upload.id, number), bucket.store.durable).catch(
      (error: NodeJS.ErrnoException) => {
        throw error.code === 'ENOENT'
          ? new S3Error('NoSuchUpload', undefined, { UploadId: upload.id })
          : error;
      },
    ),
  );
  if (!part) throw new S3Error('InternalError');
  return part;
}

/**
 * Joins the parts into the object. Idempotent while the object made by this upload is there, since a client whose
 * answer was lost asks again.
 */
export async function completeUpload(
  bucket: Bucket,
  key: string,
  id: string,
  listed: ListedPart[],
  precondition: Precondition,
): Promise<ObjectRecord> {
  const done = await readObjectRecord(bucket, key);
  if (done?.uploadId === id) return done;
  const upload = await findUpload(bucket, key, id);
  const parts = await checkParts(bucket, upload, listed);
  const etag = createHash('md5');
  for (const part of parts) etag.update(part.etag, 'hex');
  const running = upload.checksum && createChecksum(upload.checksum.algorithm);
  if (upload.checksum?.type === 'COMPOSITE')
    for (const part of parts) running?.update(Buffer.from(part.checksum?.value ?? '', 'base64'));

  async function* joined(): AsyncGenerator<Buffer> {
    for (const part of parts) {
      const file = await openSealed<Part>(partPath(bucket, id, part.number));
      // Replaced since it was checked: the object would not be what its ETag says.
      if (file?.record.etag !== part.etag) {
        await file?.handle.close();
        throw new S3Error('InvalidPart', undefined, { PartNumber: String(part.number) });
      }
      if (file.size === 0) await file.handle.close();
      else
        for await (const chunk of file.handle.createReadStream({
          end: file.size - 1,
          highWaterMark: 1024 ** 2,
        })) {
          if (upload.checksum?.type === 'FULL_OBJECT') running?.update(chunk);
          yield chunk;
        }
    }
  }
  const record = await putObject(
    bucket,
    key,
    joined(),
    () => ({
      size: parts.reduce((sum, part) => sum + part.size, 0),
      etag: `${etag.digest('hex')}-${parts.length}`,
      headers: upload.headers,
      checksum: upload.checksum &&
        running && {
          ...upload.checksum,
          value:
            running.digest().toString('base64') +
            (upload.checksum.type === 'COMPOSITE' ? `-${parts.length}` : ''),
        },
      uploadId: id,
    }),
    precondition,
  );
  await abortUpload(bucket, id);
  return record;
}

export async function abortUpload(bucket: Bucket, id: string): Promise<void> {
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

async function checkParts(bucket: Bucket, upload: Upload, listed: ListedPart[]): Promise<Part[]> {
  const stored = new Map((await listParts(bucket, upload)).map((part) => [part.number, part]));
  if (listed.some(({ number }, i) => number <= (listed[i - 1]?.number ?? 0)))
    throw new S3Error('InvalidPartOrder', undefined, { UploadId: upload.id });
  return listed.map(({ number, etag, checksums }, i) => {
    const part = stored.get(number);
    const expected = part?.checksum && checksums.get(part.checksum.algorithm);
    const invalid =
      part?.etag !== etag ||
      (expected !== undefined && expected !== part.checksum?.value) ||
      (upload.checksum !== undefined && part.checksum?.algorithm !== upload.checksum.algorithm);
    if (invalid)
      throw new S3Error('InvalidPart', undefined, {
        UploadId: upload.id,
        PartNumber: String(number),
        ETag: etag,
      });
    if (part.size < minPartBytes && i < listed.length - 1) {
      throw new S3Error('EntityTooSmall', undefined, {
        ProposedSize: String(part.size),
        MinSizeAllowed: String(minPartBytes),
        PartNumber: String(number),
        ETag: etag,
      });
    }
    return part;
  });
}

function partPath(bucket: Bucket, id: string, number: number): string {
  return join(bucket.folder, 'uploads', id, String(number).padStart(5, '0'));
}

function isUploadId(id: string): boolean {
  return /^[0-9a-f]{48}$/.test(id);
}

async function* noData(): AsyncGenerator<Buffer> {
  /* an upload has no bytes of its own */
}
