import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
  type CompletedPart,
} from '@aws-sdk/client-s3';
import { UploadCapacity, UploadTimeout } from '../errors.ts';
import { abortOpenUploads, abortUpload, deleteObject, type ObjectStore } from './object-store.ts';
import { attempt } from './unavailable.ts';

export interface WrittenObject {
  size: number;
  /** Lower case hex. */
  sha256: string;
  /** As S3 gives it, with quotes. */
  etag: string;
  versionId: string | null;
}

export interface ObjectWriter {
  /** Resolves when there is room for more; the chunk may be reused then. */
  write(chunk: Buffer): Promise<void>;
  /** Resolves once S3 holds the whole object. */
  finish(): Promise<WrittenObject>;
  /** After a failure: releases the memory, once nothing is being sent. */
  release(): Promise<void>;
  /** Whether S3 may hold anything. */
  isInDoubt(): boolean;
  /** After `release`: removes what reached S3. @throws when S3 does not confirm it */
  discard(): Promise<void>;
}

export interface ObjectWriterOptions {
  store: ObjectStore;
  key: string;
  /** Called once with the object's head, before the first byte goes to S3. @returns its media type */
  begin(head: Buffer): Promise<string>;
  /** Aborted with the error when a part fails while the caller waits for its client. */
  failure: AbortController;
}

/**
 * Writes one object of unknown length in bounded memory: by one PutObject where it fits one buffer, else
 * in parts, of which one is filled while one is sent. A writer waits for a second buffer only while its
 * first is being sent, and S3's time-out ends that, so writers cannot deadlock.
 */
export function createObjectWriter({
  store,
  key,
  begin,
  failure,
}: ObjectWriterOptions): ObjectWriter {
  const { s3, bucket, pool, requestTimeoutMs } = store;
  const object = { Bucket: bucket, Key: key };
  const sha256 = createHash('sha256');
  const parts: CompletedPart[] = [];
  let size = 0;
  let buffer: Buffer | undefined;
  let filled = 0;
  let sending: Promise<void> | undefined;
  let uploadId: string | undefined;
  let version: string | null = null;
  /** What S3 may hold without having confirmed it. */
  const doubt = { object: false, upload: false };

  // A path to S3 at 1 MiB/s is slow, not dead.
  const answerWithin = (bytes: number): number =>
    requestTimeoutMs + Math.ceil(bytes / 1024 ** 2) * 1_000;

  async function acquireBuffer(): Promise<Buffer> {
    const lent = await pool.acquire(
      { filled: () => filled, cancel: () => failure.abort(new UploadTimeout()) },
      failure.signal,
    );
    if (!lent) throw Object.assign(new UploadCapacity(), { retryAfter: 5 });
    return lent;
  }

  async function sendPart(bytes: Buffer, number: number): Promise<void> {
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32BE(crc32(bytes));
    const ChecksumCRC32 = checksum.toString('base64');
    const { ETag } = await attempt(() =>
      s3.send(
        new UploadPartCommand({
          ...object,
          UploadId: uploadId,
          PartNumber: number,
          Body: bytes,
          ContentLength: bytes.length,
          ChecksumCRC32,
        }),
        { requestTimeout: answerWithin(bytes.length) },
      ),
    );
    parts.push({ PartNumber: number, ETag, ChecksumCRC32 });
  }

  /** Sends the buffer as the next part. A failure shows at the next call and in `failure`. */
  async function flush(): Promise<void> {
    if (!buffer) return;
    await sending;
    if (uploadId === undefined) {
      const ContentType = await begin(buffer.subarray(0, filled));
      const created = await attempt(
        () =>
          s3.send(
            new CreateMultipartUploadCommand({
              ...object,
              ContentType,
              ChecksumAlgorithm: 'CRC32',
            }),
          ),
        () => {
          doubt.upload = true;
        },
      );
      uploadId = created.UploadId;
    }
    const full = buffer;
    pool.settle(full);
    sending = sendPart(full.subarray(0, filled), parts.length + 1).finally(() =>
      pool.release(full),
    );
    buffer = undefined;
    filled = 0;
    sending.catch((error: unknown) => failure.abort(error));
  }

  async function putWhole(
    digest: string,
  ): Promise<{ ETag?: string | undefined; VersionId?: string | undefined }> {
    const body = buffer?.subarray(0, filled) ?? Buffer.alloc(0);
    if (buffer) pool.settle(buffer);
    const ContentType = await begin(body);
    const ChecksumSHA256 = Buffer.from(digest, 'hex').toString('base64');
    const put = await attempt(
      () =>
        s3.send(
          new PutObjectCommand({
            ...object,
            Body: body,
            ContentLength: body.length,
            ContentType,
            ChecksumSHA256,
          }),
          { requestTimeout: answerWithin(body.length) },
        ),
      () => {
        doubt.object = true;
      },
    );
    doubt.object = true;
    return put;
  }

  async function complete(): Promise<{
    ETag?: string | undefined;
    VersionId?: string | undefined;
  }> {
    await flush();
    await sending;
    doubt.object = true;
    return attempt(() =>
      s3.send(
        new CompleteMultipartUploadCommand({
          ...object,
          UploadId: uploadId,
          MultipartUpload: { Parts: parts },
        }),
      ),
    );
  }

  function releaseBuffer(): void {
    if (buffer) pool.release(buffer);
    buffer = undefined;
  }

  return {
    async write(chunk) {
      sha256.update(chunk);
      size += chunk.length;
      for (let offset = 0; offset < chunk.length;) {
        if (buffer && filled === buffer.length) await flush();
        buffer ??= await acquireBuffer();
        const copied = chunk.copy(buffer, filled, offset);
        offset += copied;
        filled += copied;
      }
    },
    async finish() {
      const digest = sha256.digest('hex');
      const { ETag, VersionId } =
        uploadId === undefined ? await putWhole(digest) : await complete();
      releaseBuffer();
      version = VersionId ?? null;
      if (ETag === undefined) throw new Error('S3 gave no ETag');
      return { size, sha256: digest, etag: ETag, versionId: version };
    },
    async release() {
      await sending?.catch(() => undefined);
      releaseBuffer();
    },
    isInDoubt: () => uploadId !== undefined || doubt.upload || doubt.object,
    async discard() {
      if (uploadId !== undefined) await abortUpload(store, key, uploadId);
      else if (doubt.upload) await abortOpenUploads(store, key);
      if (doubt.object) await deleteObject(store, key, version);
    },
  };
}
