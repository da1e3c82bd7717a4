import { join } from 'node:path';
import { createServer, registerFeatures, type FeatureRoutes } from '@muniment/server';
import { openCleanup } from './cleanup/cleanup-loop.ts';
import type { Config } from './config.ts';
import type { FileContext } from './context.ts';
import { downloads } from './downloads/routes.ts';
import { createFindFile } from './files/file-reader.ts';
import { files } from './files/routes.ts';
import { createObjectBatches } from './object-batches/object-batches.ts';
import { openObjectStore } from './object-store/open-object-store.ts';
import { isS3Unavailable } from './object-store/unavailable.ts';
import { profileFiles, serviceCalls } from './profile-files/routes.ts';
import type { Tables } from './tables.ts';
import { uploads } from './uploads/routes.ts';
import { measureUploads } from './uploads/upload-metrics.ts';

/** By dependency: a feature imports only from features before it in this list. */
export const features: readonly FeatureRoutes<FileContext>[] = [
  files,
  uploads,
  downloads,
  profileFiles,
];

/** Builds the file service. It neither listens nor starts its loops. */
export async function buildApp(config: Config): Promise<FileContext> {
  const { store, presign, check, close } = openObjectStore(config);
  const server = await createServer<Tables>({
    service: 'file',
    schema: 'files',
    source: 'file',
    config,
    migrations: [{ name: 'file', folder: join(import.meta.dirname, 'migrations') }],
    unavailable: [isS3Unavailable],
  });
  const batches = createObjectBatches({
    db: server.data.db,
    beatMs: config.UPLOAD_ABANDONED_MS / 4,
    log: server.http.log,
  });
  const findFile = createFindFile(server.data.db);
  const context: FileContext = { ...server, config, store, presign, batches, findFile };
  context.health.add({ name: 's3', critical: false, check });
  context.jobs.closeAfter(close);
  context.jobs.closeAfter(batches.close);
  openCleanup(context);
  measureUploads(store.pool, context.metrics);

  await registerFeatures(context.http.app, context, [...features, serviceCalls]);
  return context;
}
