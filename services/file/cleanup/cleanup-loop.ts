import type { Kysely } from 'kysely';
import { acquireLease, releaseLease, type Lease } from '@muniment/database';
import { repeat, type BackgroundLoop } from '@muniment/server';
import type { Config } from '../config.ts';
import { purgeDeletedFiles, removeOrphans } from './purge-objects.ts';
import { findErasedUsersWithFiles, withdrawAbandonedFiles } from './cleanup-queries.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import type { Tables } from '../tables.ts';

const LEASE_MS = 30_000;
const BATCH = 100;

export interface CleanupOptions {
  db: Kysely<Tables>;
  store: ObjectStore;
  config: Pick<Config, 'REPLICA' | 'SETTLE_INTERVAL_MS' | 'UPLOAD_ABANDONED_MS' | 'UPLOAD_LATE_MS'>;
  erase(userId: string): Promise<void>;
  log: { warn(details: object, message: string): void };
}

/**
 * Settles what requests leave behind, on one replica at a time: objects of deleted files; uploads whose replica died, row and bytes; files
 * that came to be beside their user's erasure. The lease only saves double work: all of it is idempotent, so a holder that was stopped
 * and continues does no harm.
 */
export function createCleanupLoop({
  db,
  store,
  config,
  erase,
  log,
}: CleanupOptions): BackgroundLoop {
  let lease: Lease | undefined;
  const loop = repeat(
    'settler',
    config.SETTLE_INTERVAL_MS,
    async () => {
      lease = await acquireLease(db, 'files', 'settler', config.REPLICA, LEASE_MS);
      if (!lease) return;
      const withdrawn = await withdrawAbandonedFiles(db, config.UPLOAD_ABANDONED_MS, BATCH);
      if (withdrawn > 0) log.warn({ uploads: withdrawn }, 'abandoned uploads are cleaned away');
      for (const userId of await findErasedUsersWithFiles(db)) await erase(userId);
      const results = await Promise.allSettled([
        removeOrphans(db, store, config.UPLOAD_LATE_MS),
        purgeDeletedFiles(db, store),
      ]);
      for (const result of results) if (result.status === 'rejected') throw result.reason;
    },
    (error) => log.warn({ err: error }, 'not everything could be settled yet'),
  );
  return {
    ...loop,
    async stop() {
      await loop.stop();
      if (lease)
        await releaseLease(db, lease).catch((error: unknown) =>
          log.warn({ err: error }, 'the lease of the settler runs out by itself'),
        );
    },
  };
}
