import { createDatabase } from '@muniment/database';
import type { BaseContext } from '../context.ts';
import type { Tables } from '../tables.ts';
import { createReconciler } from './reconciler.ts';

/** A day of a large log is compared in seconds; a plan gone wrong must not run for hours. */
const STATEMENT_TIMEOUT_MS = 60_000;

/** Opens the reconciler with a connection of its own role, where one is configured. */
export function openReconciler({
  config,
  data: { db: leases },
  http: { log },
  jobs,
}: BaseContext): void {
  const url = config.RECONCILER_DATABASE_URL;
  if (url === undefined) return;
  const { db } = createDatabase<Tables>({
    url,
    applicationName: `muniment-${config.REPLICA}-reconciler`,
    poolMax: 1,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    onIdleError: (error) => log.warn({ err: error }, 'idle database connection lost'),
  });
  const reconciler = createReconciler({ db, leases, replica: config.REPLICA, log });
  jobs.add({
    name: reconciler.name,
    start: () => reconciler.start(),
    async stop() {
      await reconciler.stop();
      await db.destroy();
    },
  });
}
