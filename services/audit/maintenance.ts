import { acquireLease } from '@muniment/database';
import type { AuditContext } from './context.ts';
import { destroyDayKeys } from './erasure/subject-key-queries.ts';
import { ensurePartitions } from './retention/partition-queries.ts';
import { deleteAddressTerms } from './search/search-term-queries.ts';
import { deleteExpiredViewerTokens } from './viewer-tokens/viewer-token-queries.ts';
import { deleteDeadDeliveries } from './webhooks/delivery/delivery-queries.ts';

const MONTHS_AHEAD = 2;
/** Somebody without an account can be told from another for this long. */
const DAY_KEY_DAYS = 30;
/** A delivery that no webhook took can be made again for this long. */
const DEAD_DELIVERY_DAYS = 30;
const HALF_A_DAY_MS = 12 * 60 * 60_000;

/** Partitions for the months to come, and the end of viewer tokens, day keys and dead deliveries that are past their time. Every replica calls it; doing it twice does nothing. */
export async function runMaintenance({
  db,
  config,
  log,
}: Pick<AuditContext, 'db' | 'config' | 'log'>): Promise<void> {
  await ensurePartitions(db, MONTHS_AHEAD);
  await deleteExpiredViewerTokens(db);
  // The lease is not given back: it keeps the other replicas from looking again today.
  if (!(await acquireLease(db, 'audit', 'day-keys', config.REPLICA, HALF_A_DAY_MS))) return;
  const before = new Date(Date.now() - DAY_KEY_DAYS * 24 * 60 * 60_000);
  const destroyed = await destroyDayKeys(db, before);
  if (destroyed > 0) log.info({ destroyed }, 'day keys destroyed');
  await deleteAddressTerms(db, before);
  await deleteDeadDeliveries(db, new Date(Date.now() - DEAD_DELIVERY_DAYS * 24 * 60 * 60_000));
}
