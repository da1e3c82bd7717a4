import { createHash } from 'node:crypto';
import {
  createChecksum,
  type Checksum,
  type ChecksumAlgorithm,
  type ObjectChecksum,
} from '../protocol/checksums.ts';
import { S3Error } from '../protocol/errors.ts';
import type { Bucket } from './bucket-store.ts';
import {
  deleteUpload,
  findUpload,
  listParts,
  openPart,
  type Part,
  type Upload,
} from './multipart-store.ts';
import {
  putObject,
  readObjectRecord,
  type ObjectRecord,
  type Precondition,
} from './object-store.ts';

/** S3's smallest part, except the last one. */
const MIN_PART_BYTES = 5 * 1024 ** 2;
const READ_BYTES = 1024 ** 2;

/** A part as the client lists it to complete an upload. */
export interface ListedPart {
  number: number;
  etag: string;
  checksums: Map<ChecksumAlgorithm, string>;
}

/**
 * Joins the parts into the object. Idempotent while this upload's object exists: a client whose
 * answer was lost asks again.
 */
export async function completeUpload(
  bucket: Bucket,
  { key, uploadId }: { key: string; uploadId: string },
  { listed, precondition }: { listed: ListedPart[]; precondition: Precondition },
): Promise<ObjectRecord> {
  const existing = await readObjectRecord(bucket, key);
  if (existing?.uploadId === uploadId) return existing;
  const upload = await findUpload(bucket, key, uploadId);
  const parts = await checkParts(bucket, upload, listed);
  const checksum = upload.checksum && createChecksum(upload.checksum.algorithm);
  if (upload.checksum?.type === 'COMPOSITE')
    for (const part of parts) checksum?.update(Buffer.from(part.checksum?.value ?? '', 'base64'));
  const running = upload.checksum?.type === 'FULL_OBJECT' ? checksum : undefined;
  const record = await putObject(bucket, key, {
    data: joinParts(bucket, uploadId, { parts, checksum: running }),
    seal: () => ({
      size: parts.reduce((sum, part) => sum + part.size, 0),
      etag: joinedEtag(parts),
      headers: upload.headers,
      checksum: joinedChecksum(upload, parts, checksum),
      uploadId,
    }),
    precondition,
  });
  await deleteUpload(bucket, uploadId);
  return record;
}

async function* joinParts(
  bucket: Bucket,
  uploadId: string,
  { parts, checksum }: { parts: Part[]; checksum: Checksum | undefined },
): AsyncGenerator<Buffer> {
  for (const part of parts) {
    const file = await openPart(bucket, uploadId, part.number);
    // Replaced since it was checked: the object would not be what its ETag says.
    if (file?.record.etag !== part.etag) {
      await file?.handle.close();
      throw new S3Error('InvalidPart', undefined, { PartNumber: String(part.number) });
    }
    if (file.size === 0) {
      await file.handle.close();
      continue;
    }
    // The stream closes the handle.
    const chunks: AsyncIterable<Buffer> = file.handle.createReadStream({
      end: file.size - 1,
      highWaterMark: READ_BYTES,
    });
    for await (const chunk of chunks) {
      checksum?.update(chunk);
      yield chunk;
    }
  }
}

function joinedEtag(parts: Part[]): string {
  const md5 = createHash('md5');
  for (const part of parts) md5.update(part.etag, 'hex');
  return `${md5.digest('hex')}-${parts.length}`;
}

function joinedChecksum(
  upload: Upload,
  parts: Part[],
  checksum: Checksum | undefined,
): ObjectChecksum | undefined {
  if (!upload.checksum || !checksum) return undefined;
  const suffix = upload.checksum.type === 'COMPOSITE' ? `-${parts.length}` : '';
  return { ...upload.checksum, value: checksum.digest().toString('base64') + suffix };
}

/** The stored parts that the client lists. @throws InvalidPart, InvalidPartOrder, EntityTooSmall */
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
