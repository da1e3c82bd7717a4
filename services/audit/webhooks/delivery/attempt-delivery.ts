import { randomBytes } from 'node:crypto';
import type { FastifyBaseLogger } from 'fastify';
import type { Kysely, Transaction } from 'kysely';
import { LeaseLost, requireLease, type Lease } from '@muniment/database';
import type { MasterKey } from '@muniment/master-key';
import type { InTransaction, RequestContext } from '@muniment/server';
import type { Tables } from '../../tables.ts';
import {
  deleteDelivery,
  failDelivery,
  findDeliveryParts,
  markDead,
  rescheduleDeliveries,
  type DeliveryParts,
} from './delivery-queries.ts';
import { DOWN_AFTER_FAILURES, probeDelay, RETRY_DELAYS_MS, retryDelay } from './retry-schedule.ts';
import { unwrapSecrets } from './secrets.ts';
import type { Send, SendOutcome } from './send.ts';
import { signedHeaders } from './signature.ts';
import { addFailure, clearFailures, disableWebhook, setProbe } from './webhook-queries.ts';

export type DeliveryOutcome = 'delivered' | 'failed' | 'dead';
export type DisableReason = 'gone' | 'failing';

export interface AttemptOptions {
  db: Kysely<Tables>;
  inTransaction: InTransaction<Tables>;
  masterKey: MasterKey;
  log: Pick<FastifyBaseLogger, 'info' | 'warn'>;
  send: Send;
  /** Makes the body of a delivery. */
  render(parts: DeliveryParts): Promise<string>;
  /** An endpoint that fails this long without one success is turned off. */
  disableAfterMs: number;
  retryDelaysMs?: readonly number[];
  onAttempt?(outcome: DeliveryOutcome): void;
  onDisabled?(reason: DisableReason): void;
}

export interface DeliveryAttempt {
  webhookId: string;
  eventId: string;
  signal: AbortSignal;
}

/** After an outage of the endpoint its waiting deliveries are spread over this time. */
const RESCHEDULE_WITHIN_MS = 10_000;
const MAX_PROBE_DELAY_MS = 60 * 60_000;

/** A transaction that commits only under the lease. @throws LeaseLost */
function inFencedTransaction<T>(
  db: Kysely<Tables>,
  lease: Lease,
  work: (trx: Transaction<Tables>) => Promise<T>,
): Promise<T> {
  return db.transaction().execute(async (trx) => {
    await requireLease(trx, lease);
    return work(trx);
  });
}

async function saveSuccess(
  { db, onAttempt }: AttemptOptions,
  lease: Lease,
  { webhook_id: webhookId, id, failures }: DeliveryParts,
): Promise<void> {
  await inFencedTransaction(db, lease, async (trx) => {
    // The webhook's row before its deliveries', everywhere: in the other order two of its attempts
    // that end at once could deadlock.
    if (failures > 0) await clearFailures(trx, webhookId);
    await deleteDelivery(trx, webhookId, id);
    if (failures >= DOWN_AFTER_FAILURES)
      await rescheduleDeliveries(trx, webhookId, RESCHEDULE_WITHIN_MS);
  });
  onAttempt?.('delivered');
}

/** No request caused it, so its event names no client. */
const systemContext = (): RequestContext => ({
  id: randomBytes(16).toString('hex'),
  ip: '',
  headers: {},
  principal: null,
  traceparent: null,
});

async function disable(
  { inTransaction, log, onDisabled }: AttemptOptions,
  lease: Lease,
  {
    webhook_id: webhookId,
    created_by: createdBy,
    reason,
  }: DeliveryParts & { reason: DisableReason },
): Promise<void> {
  await inTransaction(systemContext(), async (trx, record) => {
    await requireLease(trx, lease);
    if (!(await disableWebhook(trx, webhookId, reason))) throw new LeaseLost(lease.name);
    await record({
      action: 'WEBHOOK_DISABLED',
      subject: { userId: createdBy },
      user_id: null,
      resource: webhookId,
      resource_type: 'webhook',
      personal: { ip: null, user_agent: null },
      metadata: { reason },
    });
  });
  log.warn({ webhook: webhookId, reason }, 'webhook disabled');
  onDisabled?.(reason);
}

/** How long the endpoint is paused; an overloaded one may ask for more. 0 while it is not down. */
function restDelay(failures: number, { status, retryAfterMs }: SendOutcome): number {
  const delayMs = probeDelay(failures);
  const isOverloaded = status === 429 || status === 503;
  if (delayMs === 0 || !isOverloaded) return delayMs;
  return Math.max(delayMs, Math.min(retryAfterMs, MAX_PROBE_DELAY_MS));
}

async function saveFailure(
  options: AttemptOptions,
  lease: Lease,
  { parts, outcome }: { parts: DeliveryParts; outcome: SendOutcome },
): Promise<void> {
  const { webhook_id: webhookId, id, attempts } = parts;
  const { status, error, retryAfterMs } = outcome;
  const delaysMs = options.retryDelaysMs ?? RETRY_DELAYS_MS;
  const delayMs = retryDelay(attempts + 1, retryAfterMs, delaysMs);
  const failing = await inFencedTransaction(options.db, lease, async (trx) => {
    const state = await addFailure(trx, webhookId);
    await failDelivery(trx, { webhookId, eventId: id }, { status, error, delayMs });
    const restMs = restDelay(state?.failures ?? 0, outcome);
    if (restMs > 0) await setProbe(trx, webhookId, restMs);
    return state;
  });
  options.onAttempt?.(delayMs === undefined ? 'dead' : 'failed');
  const failingMs = failing ? Date.now() - failing.failing_since.getTime() : 0;
  if (status === 410) await disable(options, lease, { ...parts, reason: 'gone' });
  else if (failingMs > options.disableAfterMs)
    await disable(options, lease, { ...parts, reason: 'failing' });
}

/**
 * Sends one delivery and records how it ended, if the lease still stands.
 * @throws LeaseLost; the row stays as it was, and the next holder sends it again
 */
export async function attemptDelivery(
  options: AttemptOptions,
  lease: Lease,
  { webhookId, eventId, signal }: DeliveryAttempt,
): Promise<void> {
  const { db, masterKey } = options;
  const parts = await findDeliveryParts(db, webhookId, eventId);
  if (!parts) return inFencedTransaction(db, lease, (trx) => markDead(trx, webhookId, eventId));
  const { wrapped_secret: current, wrapped_previous_secret: previous } = parts;
  const secrets = await unwrapSecrets(masterKey, webhookId, [current, previous]);
  const body = await options.render(parts);
  const timestamp = Math.floor(Date.now() / 1_000);
  const headers = signedHeaders({ id: eventId, timestamp, body }, secrets);
  const outcome = await options.send(parts.url, headers, body, signal);
  if (outcome.delivered) await saveSuccess(options, lease, parts);
  else await saveFailure(options, lease, { parts, outcome });
}
