import { acquireLease } from '@muniment/database';
import { repeat } from '@muniment/server';
import { deleteOldClaims } from './app-events/app-event-queries.ts';
import type { AuditContext } from './context.ts';
import { destroyDayKeys } from './erasure/subject-key-queries.ts';
import { ensurePartitions } from './retention/partition-queries.ts';
import { deleteAddressTerms } from './search/search-term-queries.ts';
import { deleteExpiredViewerTokens } from './viewer-tokens/viewer-token-queries.ts';
import { deleteDeadDeliveries } from './webhooks/delivery/delivery-queries.ts';

const PAUSE_MS = 60 * 60_000;
const MONTHS_AHEAD = 2;
/** For so long callers without an account can be told apart. */
const DAY_KEY_DAYS = 30;
/** For so long a dead delivery can be retried. */
const DEAD_DELIVERY_DAYS = 30;
const DAY_MS = 24 * 60 * 60_000;

type MaintenanceContext = Pick<AuditContext, 'data' | 'http' | 'config'>;

/** Runs the maintenance each hour. */
export function startMaintenance(context: MaintenanceContext & Pick<AuditContext, 'jobs'>): void {
  const { log } = context.http;
  context.jobs.add(
    repeat(
      'maintenance',
      PAUSE_MS,
      () => runMaintenance(context),
      (error) => log.warn({ err: error }, 'maintenance of the log failed; retrying'),
    ),
  );
}

/**
 * Adds the coming months' partitions, and deletes expired viewer tokens, day keys, dead deliveries
 * and old ids of customers' events. Every replica calls it; it is idempotent.
 */
export async function runMaintenance({
  data: { db },
  http: { log },
  config,
}: MaintenanceContext): Promise<void> {
  await ensurePartitions(db, MONTHS_AHEAD);
  await deleteExpiredViewerTokens(db);
  await deleteOldClaims(db, new Date(Date.now() - config.APP_EVENT_ID_DAYS * DAY_MS));
  // The lease is not released: it keeps the other replicas from doing it again for half a day.
  if (
    !(await acquireLease(db, {
      schema: 'audit',
      name: 'day-keys',
      holder: config.REPLICA,
      ttlMs: DAY_MS / 2,
    }))
  )
    return;
  const before = new Date(Date.now() - DAY_KEY_DAYS * DAY_MS);
  const destroyed = await destroyDayKeys(db, before);
  if (destroyed > 0) log.info({ destroyed }, 'day keys destroyed');
  await deleteAddressTerms(db, before);
  await deleteDeadDeliveries(db, new Date(Date.now() - DEAD_DELIVERY_DAYS * DAY_MS));
}
