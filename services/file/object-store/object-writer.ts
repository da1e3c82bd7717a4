import { createHash } from 'node:crypto';
import { UploadCapacity, UploadTimeout } from '../errors.ts';
import type { ObjectStore } from './object-store.ts';
import { createObjectUpload, type StoredObject } from './object-upload.ts';

/** Seconds after which a client may try again when no buffer was free. */
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
export function createObjectWriter(options: ObjectWriterOptions): ObjectWriter {
  const { store, key, begin, failure } = options;
  const { pool } = store;
  const upload = createObjectUpload(store, key);
  const sha256 = createHash('sha256');
  let size = 0;
  let buffer: Buffer | undefined;
  let filled = 0;
  let sending: Promise<void> | undefined;
  const written: { versionId: string | null } = { versionId: null };

  async function acquireBuffer(): Promise<Buffer> {
    const filler = { filled: () => filled, cancel: () => failure.abort(new UploadTimeout()) };
    const acquired = await pool.acquire(filler, failure.signal);
    if (!acquired) throw Object.assign(new UploadCapacity(), { retryAfter: RETRY_AFTER_S });
    return acquired;
  }

  /** Sends the buffer as the next part. A failure shows at the next call and in `failure`. */
  async function flush(): Promise<void> {
    if (!buffer) return;
    await sending;
    if (!upload.isInParts()) await upload.startParts(await begin(buffer.subarray(0, filled)));
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
    return upload.put(body, { mediaType: await begin(body), sha256: digest });
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
