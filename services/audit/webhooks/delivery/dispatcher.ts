import {
  createLeasedLoop,
  LeaseLost,
  requireLease,
  type HeldLease,
  type Lease,
} from '@muniment/database';
import type { Kysely } from 'kysely';
import type { BackgroundLoop } from '@muniment/server';
import type { Tables } from '../../tables.ts';
import { attemptDelivery, type AttemptOptions } from './attempt-delivery.ts';
import {
  listDueEventIds,
  listWebhookStates,
  insertDeliveries,
  type WebhookState,
} from './delivery-queries.ts';
import { createInFlight, type InFlight } from './in-flight.ts';
import { DOWN_AFTER_FAILURES } from './retry-schedule.ts';

const CONCURRENCY = 8;
const CAPACITY = 32;
/** Pending rows of one webhook. Above it the position waits, and the log keeps the rest. */
const MAX_PENDING = 1_000;
const PAGE_SIZE = 200;
const WINDOW = 5_000;
/** Pause while there is no webhook at all. */
const IDLE_MS = 1_000;
const RETRY_MS = 1_000;
/** After this a stop cuts attempts off. Another replica makes them again, under the same id. */
const STOP_GRACE_MS = 2_000;

export interface DispatcherOptions extends AttemptOptions {
  replica: string;
  pollMs: number;
  leaseTtlMs: number;
  /** Whether no events are recorded. Then it looks for due deliveries with each renewal. */
  isResting?: () => boolean;
}

export interface Dispatcher extends BackgroundLoop {
  /** A rest may have ended. */
  wake(): void;
  /** Whether this replica delivers. */
  leading(): boolean;
}

/** Makes deliveries of the next part of the log. @returns whether there is more to do at once */
async function fillFromLog(
  db: Kysely<Tables>,
  { lease }: HeldLease,
  webhook: WebhookState,
): Promise<boolean> {
  const { id, position, head, waiting } = webhook;
  // An endpoint that is down gets nothing new, so its rows stay few.
  const isDown = webhook.failures >= DOWN_AFTER_FAILURES;
  if (isDown || position >= head || waiting >= MAX_PENDING) return false;
  const made = await db.transaction().execute(async (trx) => {
    await requireLease(trx, lease);
    return insertDeliveries(trx, id, { head, window: WINDOW, limit: PAGE_SIZE });
  });
  return made === PAGE_SIZE || head - position > WINDOW;
}

/** Finds due deliveries for which the webhook has room. @returns ids of their events */
async function findStartable(
  db: Kysely<Tables>,
  webhook: WebhookState,
  inProgress: readonly string[],
): Promise<string[]> {
  const isDown = webhook.failures >= DOWN_AFTER_FAILURES;
  const limit = (isDown ? 1 : CAPACITY) - inProgress.length;
  if (webhook.paused || limit <= 0) return [];
  return listDueEventIds(db, webhook.id, { inProgress, limit });
}

/** Waits for attempts in progress, and cuts them off after the grace time. */
async function drain(inFlight: InFlight, cutOff: AbortController): Promise<void> {
  const grace = setTimeout(() => cutOff.abort(), STOP_GRACE_MS);
  await inFlight.settled();
  clearTimeout(grace);
}

/**
 * Delivers the log to the webhooks, at least once and under one id, on the replica with the lease.
 * A webhook's position moves in the transaction that makes its deliveries.
 */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { db, log } = options;
  const cutOff = new AbortController();
  const inFlight = createInFlight({
    concurrency: CONCURRENCY,
    capacity: CAPACITY,
    onRoom: () => loop.wake(),
  });

  async function attempt(lease: Lease, webhookId: string, eventId: string): Promise<void> {
    if (cutOff.signal.aborted || !loop.isHeld(lease)) return;
    try {
      await attemptDelivery(options, lease, { webhookId, eventId, signal: cutOff.signal });
    } catch (error) {
      // At once, not at the next renewal: until then each delivery would be sent again and again.
      if (error instanceof LeaseLost) loop.drop(lease);
      else if (!cutOff.signal.aborted)
        log.warn(
          { err: error, webhook: webhookId },
          'a webhook delivery could not be worked off; it is tried again',
        );
    }
  }

  async function work(held: HeldLease): Promise<number> {
    const webhooks = await listWebhookStates(db, MAX_PENDING);
    inFlight.retainOnly(new Set(webhooks.map(({ id }) => id)));
    let isMore = false;
    for (const webhook of webhooks) {
      await held.renew();
      isMore = (await fillFromLog(db, held, webhook)) || isMore;
      for (const id of await findStartable(db, webhook, inFlight.eventsOf(webhook.id)))
        inFlight.add(webhook.id, id, () => attempt(held.lease, webhook.id, id));
    }
    if (isMore) return 0;
    return webhooks.length === 0 ? IDLE_MS : options.pollMs;
  }

  const loop = createLeasedLoop({
    db,
    schema: 'audit',
    name: 'webhooks',
    replica: options.replica,
    ttlMs: options.leaseTtlMs,
    retryMs: RETRY_MS,
    keepsLeaseOnError: true,
    isResting: options.isResting,
    onAcquired: ({ lease }) => log.info({ epoch: lease.epoch }, 'webhook lease taken'),
    work,
    onFailing: (error) => log.warn({ err: error }, 'webhooks cannot be served; it is tried again'),
    drain: () => drain(inFlight, cutOff),
  });
  return {
    name: 'webhooks',
    start: () => loop.start(),
    stop: () => loop.stop(),
    wake: loop.wake,
    leading: () => loop.status().leading,
  };
}
