import { join } from 'node:path';
import { HeadBucketCommand } from '@aws-sdk/client-s3';
import { createServer, flatServer, type Server } from '@muniment/server';
import { createBufferPool } from './object-store/buffer-pool.ts';
import type { Config } from './config.ts';
import { eraseFiles } from './cleanup/erase-files.ts';
import { measureUploads } from './uploads/upload-metrics.ts';
import { deleteFileRoute } from './files/delete-file.ts';
import { downloadFileRoute } from './downloads/download-file.ts';
import { listFilesRoute } from './files/list-files.ts';
import { renameFileRoute } from './files/rename-file.ts';
import { showFileRoute } from './files/get-file-metadata.ts';
import { uploadFileRoute } from './uploads/upload-file.ts';
import type { ObjectStore } from './object-store/object-store.ts';
import { createPresigner, type Presign } from './object-store/presign.ts';
import { createS3Client } from './object-store/s3-client.ts';
import { isS3Unavailable } from './object-store/unavailable.ts';
import { createCleanupLoop } from './cleanup/cleanup-loop.ts';
import type { Tables } from './tables.ts';

/** S3's smallest part but for the last, and so the size of a buffer. */
const PART_BYTES = 5 * 1024 ** 2;

export interface FileContext extends Server<Tables> {
  config: Config;
  store: ObjectStore;
  presign: Presign;
}

/** Builds the file service. It neither listens nor starts its loops. */
export async function buildApp(config: Config): Promise<FileContext> {
  const s3 = createS3Client(config);
  const pool = createBufferPool({
    buffers: config.UPLOAD_BUFFERS,
    bufferBytes: PART_BYTES,
    waitMs: config.UPLOAD_QUEUE_TIMEOUT_MS,
    minBytesPerSecond: config.UPLOAD_MIN_BYTES_PER_S,
  });
  const store: ObjectStore = {
    s3,
    bucket: config.S3_BUCKET,
    pool,
    requestTimeoutMs: config.S3_REQUEST_TIMEOUT_MS,
  };

  const context = await createServer<Tables>({
    service: 'file',
    schema: 'files',
    source: 'file',
    config,
    migrations: [{ name: 'file', folder: join(import.meta.dirname, 'migrations') }],
    unavailable: [isS3Unavailable],
  });
  context.health.add({
    name: 's3',
    critical: false,
    check: () => s3.send(new HeadBucketCommand({ Bucket: config.S3_BUCKET })),
  });
  const server = flatServer(context);
  const erasure = eraseFiles(server.db, store, config.UPLOAD_LATE_MS, server.subjectKeys);
  context.erasures.handle(erasure);
  const presign = createPresigner({
    host: new URL(config.S3_ENDPOINT ?? `https://s3.${config.AWS_REGION}.amazonaws.com`).host,
    region: config.AWS_REGION,
    bucket: config.S3_BUCKET,
    ttlSeconds: config.DOWNLOAD_URL_TTL_S,
    credentials: () => s3.config.credentials(),
  });
  const { erase } = erasure;
  const settler = createCleanupLoop({ db: server.db, store, config, erase, log: server.log });
  server.background({
    ...settler,
    async stop() {
      await settler.stop();
      s3.destroy();
    },
  });

  measureUploads(pool, server.metrics);

  const files: FileContext = { ...server, config, store, presign };
  // Signed in; there is nothing public here and nothing for administrators alone.
  uploadFileRoute(files);
  listFilesRoute(files);
  downloadFileRoute(files);
  showFileRoute(files);
  renameFileRoute(files);
  deleteFileRoute(files);
  return files;
}
