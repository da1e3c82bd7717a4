import { createDatabase } from '@muniment/database';
import type { BackgroundLoop } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import type { Config } from '../config.ts';
import type { Tables } from '../tables.ts';
import { createReconciler } from './reconciler.ts';

/** A day of a large log takes seconds. A bad plan must not run for hours. */
const STATEMENT_TIMEOUT_MS = 60_000;

/** Opens the reconciler with a connection in its own role, which it closes when it stops. */
export function openReconciler(
  config: Config,
  url: string,
  { db: leases, log }: Pick<AuditContext, 'db' | 'log'>,
): BackgroundLoop {
  const { db } = createDatabase<Tables>({
    url,
    applicationName: `muniment-${config.REPLICA}-reconciler`,
    poolMax: 1,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    onIdleError: (error) => log.warn({ err: error }, 'idle database connection lost'),
  });
  const reconciler = createReconciler({ db, leases, replica: config.REPLICA, log });
  return {
    name: reconciler.name,
    start: () => reconciler.start(),
    async stop() {
      await reconciler.stop();
      await db.destroy();
    },
  };
}
