import { createHash } from 'node:crypto';
import { UploadCapacity, UploadTimeout } from '../errors.ts';
import type { ObjectStore } from './object-store.ts';
import { createObjectUpload, type StoredObject } from './object-upload.ts';

/** Retry-After, in seconds, when no buffer was free. */
const RETRY_AFTER_S = 5;

export interface WrittenObject {
  size: number;
  /** Lower case hex. */
  sha256: string;
  /** As S3 gives it, with quotes. */
  etag: string;
  versionId: string | null;
}

export interface ObjectWriter {
  /** Resolves when there is room and the chunk may be reused. */
  write(chunk: Buffer): Promise<void>;
  /** Resolves once S3 holds the whole object. */
  finish(): Promise<WrittenObject>;
  /** After a failure: releases the memory, once nothing is being sent. */
  release(): Promise<void>;
  /** Whether S3 may hold anything. */
  isInDoubt(): boolean;
  /** After `release`: removes what reached S3. @throws when unconfirmed */
  discard(): Promise<void>;
}

export interface ObjectWriterOptions {
  store: ObjectStore;
  key: string;
  /** The user whose upload it is. */
  owner: string;
  /**
   * Called once with the first bytes, before any goes to S3.
   * @param isWhole whether they are the whole object @returns the media type
   */
  onHead(head: Buffer, isWhole: boolean): Promise<string>;
  /** Aborted with the error of a failed part. */
  failure: AbortController;
}

/**
 * Writes an object of unknown length in bounded memory: in one PutObject, or in parts, filling one
 * while sending one. Writers wait for a second buffer only while their first is sent, so they
 * cannot deadlock.
 */
export function createObjectWriter(options: ObjectWriterOptions): ObjectWriter {
  const { store, key, owner, onHead, failure } = options;
  const { pool } = store;
  const upload = createObjectUpload(store, key);
  const sha256 = createHash('sha256');
  let size = 0;
  let buffer: Buffer | undefined;
  let filled = 0;
  let sending: Promise<void> | undefined;
  const written: { versionId: string | null } = { versionId: null };

  async function acquireBuffer(): Promise<Buffer> {
    const cancel = (): void => failure.abort(new UploadTimeout());
    const acquired = await pool.acquire({ owner, filled: () => filled, cancel }, failure.signal);
    if (!acquired) throw Object.assign(new UploadCapacity(), { retryAfter: RETRY_AFTER_S });
    return acquired;
  }

  /** Sends the buffer as the next part. The next call and `failure` show an error. */
  async function flush(): Promise<void> {
    if (!buffer) return;
    await sending;
    if (!upload.isInParts())
      await upload.startParts(await onHead(buffer.subarray(0, filled), false));
    const full = buffer;
    pool.settle(full);
    sending = upload.sendPart(full.subarray(0, filled)).finally(() => pool.release(full));
    buffer = undefined;
    filled = 0;
    sending.catch((error: unknown) => failure.abort(error));
  }

  async function putWhole(digest: string): Promise<StoredObject> {
    const body = buffer?.subarray(0, filled) ?? Buffer.alloc(0);
    if (buffer) pool.settle(buffer);
    return upload.put(body, { mediaType: await onHead(body, true), sha256: digest });
  }

  async function complete(): Promise<StoredObject> {
    await flush();
    await sending;
    return upload.completeParts();
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
      const { ETag, VersionId } = await (upload.isInParts() ? complete() : putWhole(digest));
      releaseBuffer();
      written.versionId = VersionId ?? null;
      if (ETag === undefined) throw new Error('S3 gave no ETag');
      return { size, sha256: digest, etag: ETag, versionId: written.versionId };
    },
    async release() {
      await sending?.catch(() => undefined);
      releaseBuffer();
    },
    isInDoubt: upload.isInDoubt,
    discard: () => upload.discard(written.versionId),
  };
}
