import { HeadBucketCommand } from '@aws-sdk/client-s3';
import type { Config } from '../config.ts';
import { createBufferPool } from './buffer-pool.ts';
import type { ObjectStore } from './object-store.ts';
import { createPresigner, type Presign } from './presign.ts';
import { createPutBytes } from './put-bytes.ts';
import { openRequestSigner } from './request-signer.ts';
import { createS3Client } from './s3-client.ts';

/** S3's minimum part size, and so the size of a buffer. */
const PART_BYTES = 5 * 1024 ** 2;

/** Opens the bucket of the files. `close` ends its connections. */
export function openObjectStore(config: Config): {
  store: ObjectStore;
  presign: Presign;
  check(): Promise<unknown>;
  close(): void;
} {
  const s3 = createS3Client(config);
  const bucket = config.S3_BUCKET;
  const pool = createBufferPool({
    buffers: config.UPLOAD_BUFFERS,
    bufferBytes: PART_BYTES,
    waitMs: config.UPLOAD_QUEUE_TIMEOUT_MS,
    minBytesPerSecond: config.UPLOAD_MIN_BYTES_PER_S,
  });
  const endpoint = new URL(config.S3_ENDPOINT ?? `https://s3.${config.AWS_REGION}.amazonaws.com`);
  const createSigner = openRequestSigner({
    region: config.AWS_REGION,
    credentials: () => s3.config.credentials(),
    // The SDK learns from S3 how wrong the clock of this machine is.
    now: () => new Date(Date.now() + s3.config.systemClockOffset),
  });
  const presign = createPresigner({
    host: endpoint.host,
    bucket,
    ttlSeconds: config.DOWNLOAD_URL_TTL_S,
    createSigner,
  });
  const putBytes = createPutBytes({ s3, endpoint, bucket, createSigner });
  return {
    store: { s3, bucket, pool, putBytes, requestTimeoutMs: config.S3_REQUEST_TIMEOUT_MS },
    presign,
    check: () => s3.send(new HeadBucketCommand({ Bucket: bucket })),
    close: () => s3.destroy(),
  };
}
