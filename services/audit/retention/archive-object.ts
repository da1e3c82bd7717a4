import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { crc32, createGunzip, createGzip } from 'node:zlib';
import { pipeline } from 'node:stream/promises';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  UploadPartCommand,
  type CompletedPart,
} from '@aws-sdk/client-s3';
import type { AuditBucket } from '../object-store/audit-bucket.ts';

/** S3 allows 10,000 parts: archives up to 80 GB. */
const PART_BYTES = 8 << 20;
const PART_TIMEOUT_MS = 60_000;

type Bucket = Pick<AuditBucket, 'name' | 'client'>;

export interface StoredObject {
  /** Of the compressed bytes. */
  bytes: number;
  sha256: Buffer;
}

/** Aborts uploads that a crash left open: their parts would be stored and paid for, for ever. */
export async function abortUploads(
  { client, name: Bucket }: Bucket,
  prefix: string,
): Promise<void> {
  const { Uploads: uploads = [] } = await client.send(
    new ListMultipartUploadsCommand({ Bucket, Prefix: prefix }),
  );
  for (const { Key, UploadId } of uploads)
    await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
}

/**
 * Compresses text into an object, with one part in memory. The object appears only when it is
 * complete.
 */
export async function putCompressed(
  { client, name: Bucket }: Bucket,
  Key: string,
  text: AsyncIterable<string>,
): Promise<StoredObject> {
  const { UploadId } = await client.send(
    new CreateMultipartUploadCommand({
      Bucket,
      Key,
      ContentType: 'application/gzip',
      ChecksumAlgorithm: 'CRC32',
    }),
  );
  const object = { Bucket, Key, UploadId };
  const sha256 = createHash('sha256');
  const parts: CompletedPart[] = [];
  const buffer = Buffer.allocUnsafeSlow(PART_BYTES);
  let filled = 0;
  let bytes = 0;

  async function flush(): Promise<void> {
    const body = buffer.subarray(0, filled);
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32BE(crc32(body));
    const part = { PartNumber: parts.length + 1, ChecksumCRC32: checksum.toString('base64') };
    const { ETag } = await client.send(
      new UploadPartCommand({ ...object, ...part, Body: body, ContentLength: filled }),
      { requestTimeout: PART_TIMEOUT_MS },
    );
    parts.push({ ...part, ETag });
    filled = 0;
  }

  await pipeline(Readable.from(text), createGzip(), async (compressed: AsyncIterable<Buffer>) => {
    for await (const chunk of compressed) {
      sha256.update(chunk);
      bytes += chunk.length;
      for (let taken = 0; taken < chunk.length;) {
        const copied = chunk.copy(buffer, filled, taken);
        taken += copied;
        filled += copied;
        if (filled === PART_BYTES) await flush();
      }
    }
  });
  if (filled > 0 || parts.length === 0) await flush();
  await client.send(
    new CompleteMultipartUploadCommand({ ...object, MultipartUpload: { Parts: parts } }),
    { requestTimeout: PART_TIMEOUT_MS },
  );
  return { bytes, sha256: sha256.digest() };
}

/**
 * Reads an object, chunk by uncompressed chunk.
 * @returns size and hash of the object as it came over the wire
 */
export async function readCompressed(
  { client, name: Bucket }: Bucket,
  Key: string,
  onChunk: (chunk: Buffer) => Promise<void> | void,
): Promise<StoredObject> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
  if (!(Body instanceof Readable)) throw new Error('S3 sent no body.');
  const sha256 = createHash('sha256');
  let bytes = 0;
  await pipeline(
    Body,
    async function* tap(source: AsyncIterable<Buffer>) {
      for await (const chunk of source) {
        sha256.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
    },
    createGunzip(),
    async (plain: AsyncIterable<Buffer>) => {
      for await (const chunk of plain) await onChunk(chunk);
    },
  );
  return { bytes, sha256: sha256.digest() };
}
