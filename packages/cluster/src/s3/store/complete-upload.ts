import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import {
  createChecksum,
  type ChecksumAlgorithm,
  type ObjectChecksum,
} from '../protocol/checksums.ts';
import { S3Error } from '../protocol/errors.ts';
import type { Bucket } from './bucket-store.ts';
import { endOf, mergeExtents, type Extent } from './extent.ts';
import { changeUpload, findUpload } from './multipart-store.ts';
import {
  bucketError,
  publishObject,
  readObjectRecord,
  type ObjectRecord,
  type Precondition,
} from './object-store.ts';
import { readExtents } from './read-extents.ts';
import { encodeFooter } from './sealed-file.ts';
import {
  deleteUploadFiles,
  uploadFiles,
  type OpenUpload,
  type Part,
  type Upload,
} from './upload-journal.ts';
import { writeBatches } from './write-batches.ts';

/** S3's smallest part, except the last one. */
const MIN_PART_BYTES = 5 * 1024 ** 2;

/** A part as the client lists it to complete an upload. */
export interface ListedPart {
  number: number;
  etag: string;
  checksums: Map<ChecksumAlgorithm, string>;
}

/**
 * Makes the parts the object, by adding its record to their file. Idempotent while this upload's
 * object exists: a client whose answer was lost asks again.
 */
export function completeUpload(
  bucket: Bucket,
  { key, uploadId }: { key: string; uploadId: string },
  { listed, precondition }: { listed: ListedPart[]; precondition: Precondition },
): Promise<ObjectRecord> {
  return changeUpload(bucket, uploadId, async () => {
    const existing = readObjectRecord(bucket, key);
    if (existing?.uploadId === uploadId) return existing;
    const upload = findUpload(bucket, key, uploadId);
    const parts = checkParts(upload, listed);
    const { path } = bucket.uploadFolder;
    const { data } = uploadFiles(path, uploadId);
    let record: ObjectRecord | undefined;
    const flushed = async (): Promise<string> => {
      record = await sealParts(data, { upload, parts, durable: bucket.store.durable });
      return data;
    };
    try {
      await publishObject(bucket, key, { precondition, flushed });
    } catch (error) {
      throw bucketError(bucket, error);
    }
    bucket.uploads.delete(uploadId);
    await deleteUploadFiles(path, uploadId);
    if (!record) throw new S3Error('InternalError');
    return record;
  });
}

/**
 * Adds the record behind all parts, also those that are being written. Bytes of parts that the
 * client left out stay in the file until the object is deleted.
 */
async function sealParts(
  data: string,
  { upload, parts, durable }: { upload: OpenUpload; parts: Part[]; durable: boolean },
): Promise<ObjectRecord> {
  const extents = mergeExtents(parts.map(({ extent }) => extent));
  const handle = await open(data, 'r+');
  try {
    const record: ObjectRecord = {
      key: upload.key,
      lastModified: Date.now(),
      size: parts.reduce((sum, part) => sum + part.size, 0),
      etag: joinedEtag(parts),
      headers: upload.headers,
      checksum: await joinedChecksum(handle, { upload, parts, extents }),
      uploadId: upload.id,
      ...(extents.length === 1 && extents[0]?.start === 0 ? {} : { extents }),
    };
    const footer = encodeFooter(record);
    const end = endOf(upload.taken);
    // What a failed part left behind this place must not follow the record.
    await handle.truncate(end);
    await writeBatches(handle, [[footer]], { position: end });
    if (durable) await handle.datasync();
    return record;
  } finally {
    await handle.close();
  }
}

function joinedEtag(parts: Part[]): string {
  const md5 = createHash('md5');
  for (const part of parts) md5.update(part.etag, 'hex');
  return `${md5.digest('hex')}-${parts.length}`;
}

async function joinedChecksum(
  handle: FileHandle,
  { upload, parts, extents }: { upload: Upload; parts: Part[]; extents: Extent[] },
): Promise<ObjectChecksum | undefined> {
  if (!upload.checksum) return undefined;
  const checksum = createChecksum(upload.checksum.algorithm);
  const value = (): string => checksum.digest().toString('base64');
  if (upload.checksum.type === 'COMPOSITE') {
    for (const part of parts) checksum.update(Buffer.from(part.checksum?.value ?? '', 'base64'));
    return { ...upload.checksum, value: `${value()}-${parts.length}` };
  }
  for await (const batch of readExtents({ fd: handle.fd }, extents)) batch.forEach(checksum.update);
  return { ...upload.checksum, value: value() };
}

/** The stored parts that the client lists. @throws InvalidPart, InvalidPartOrder, EntityTooSmall */
function checkParts(upload: OpenUpload, listed: ListedPart[]): Part[] {
  if (listed.some(({ number }, i) => number <= (listed[i - 1]?.number ?? 0)))
    throw new S3Error('InvalidPartOrder', undefined, { UploadId: upload.id });
  return listed.map(({ number, etag, checksums }, i) => {
    const part = upload.parts.get(number);
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
    if (part.size < MIN_PART_BYTES && i < listed.length - 1) {
      throw new S3Error('EntityTooSmall', undefined, {
        ProposedSize: String(part.size),
        MinSizeAllowed: String(MIN_PART_BYTES),
        PartNumber: String(number),
        ETag: etag,
      });
    }
    return part;
  });
}
