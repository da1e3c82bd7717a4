import type { Kysely } from 'kysely';
import { acquireLease, releaseLease, type Lease } from '@muniment/database';
import { repeat, type BackgroundLoop } from '@muniment/server';
import type { Config } from '../config.ts';
import type { FileContext } from '../context.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import { withdrawAbandonedBatches } from '../object-batches/object-batch-queries.ts';
import type { Tables } from '../tables.ts';
import { findErasedUsersWithFiles } from './deleted-file-queries.ts';
import { eraseFiles } from './erase-files.ts';
import { withdrawAbandonedFiles } from './pending-file-queries.ts';
import { purgeDeletedFiles, removeOrphans } from './purge-objects.ts';
import { sweepBatches } from './sweep-batches.ts';
import { createUnclaimedCleanup } from './unclaimed-files.ts';

const LEASE_MS = 30_000;
const BATCH_SIZE = 100;
const HOUR_MS = 3_600_000;

export interface CleanupOptions {
  db: Kysely<Tables>;
  store: ObjectStore;
  config: Pick<
    Config,
    | 'IDEMPOTENCY_TTL_S'
    | 'REPLICA'
    | 'SETTLE_INTERVAL_MS'
    | 'UPLOAD_ABANDONED_MS'
    | 'UPLOAD_LATE_MS'
  >;
  erase(userId: string): Promise<void>;
  deleteUnclaimed: ReturnType<typeof createUnclaimedCleanup>;
  log: { warn(details: object, message: string): void };
}

/** Adds the cleanup and the file service's part in erasures. */
export function openCleanup(
  context: Pick<FileContext, 'http' | 'data' | 'crypto' | 'erasures' | 'jobs' | 'store' | 'config'>,
): void {
  const { store, config } = context;
  const { db } = context.data;
  const { subjectKeys } = context.crypto;
  const erasure = eraseFiles({ db, store, subjectKeys, lateMs: config.UPLOAD_LATE_MS });
  context.erasures.handle(erasure);
  const { erase } = erasure;
  const deleteUnclaimed = createUnclaimedCleanup(db, subjectKeys);
  const { log } = context.http;
  context.jobs.add(createCleanupLoop({ db, store, config, erase, deleteUnclaimed, log }));
}

/**
 * Cleans up what requests leave. Replicas may do the same work: it is idempotent, and the lease
 * only saves effort.
 */
export function createCleanupLoop(options: CleanupOptions): BackgroundLoop {
  const { db, config, log } = options;
  let lease: Lease | undefined;
  const loop = repeat(
    'cleanup',
    config.SETTLE_INTERVAL_MS,
    async () => {
      lease = await acquireLease(db, {
        schema: 'files',
        name: 'settler',
        holder: config.REPLICA,
        ttlMs: LEASE_MS,
      });
      if (lease) await cleanUp(options);
    },
    (error) => log.warn({ err: error }, 'the cleanup is incomplete; it is tried again'),
  );
  return {
    ...loop,
    async stop() {
      await loop.stop();
      if (!lease) return;
      await releaseLease(db, lease).catch((error: unknown) =>
        log.warn({ err: error }, 'the lease of the cleanup expires by itself'),
      );
    },
  };
}

/** A retry under its key must still find its files, so they stay longer than its answer. */
const graceOf = ({ config }: CleanupOptions): number => config.IDEMPOTENCY_TTL_S * 1_000 + HOUR_MS;

async function cleanUp(options: CleanupOptions): Promise<void> {
  const { db, store, config, erase, deleteUnclaimed, log } = options;
  const withdrawn = await withdrawAbandonedFiles(db, config.UPLOAD_ABANDONED_MS, BATCH_SIZE);
  if (withdrawn > 0) log.warn({ uploads: withdrawn }, 'abandoned uploads are cleaned away');
  const batches = await withdrawAbandonedBatches(db, config.UPLOAD_ABANDONED_MS);
  if (batches > 0) log.warn({ batches }, 'the uploads of dead replicas are cleaned away');
  for (const userId of await findErasedUsersWithFiles(db)) await erase(userId);
  await deleteUnclaimed({ graceMs: graceOf(options), limit: BATCH_SIZE });
  const results = await Promise.allSettled([
    removeOrphans({ db, store }, config.UPLOAD_LATE_MS),
    purgeDeletedFiles({ db, store }),
    sweepBatches({ db, store }, config.UPLOAD_LATE_MS),
  ]);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
