import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import type { Kysely, Transaction } from 'kysely';
import { acquireLease, holdLease, releaseLease, type Lease } from '@muniment/database';
import type { MasterKey } from '@muniment/master-key';
import { createConcurrencyLimit } from '@muniment/security';
import type { BackgroundLoop, InTransaction, RequestContext } from '@muniment/server';
import {
  markDead,
  deleteDelivery,
  failDelivery,
  findDeliveryParts,
  findDue,
  rescheduleDeliveries,
  lookAtWebhooks,
  takeFromLog,
  type DeliveryParts,
  type WebhookState,
} from './delivery-queries.ts';
import { addFailure, clearFailures, disableWebhook, setProbe } from './webhook-queries.ts';
import type { Tables } from '../../tables.ts';
import { DOWN_AFTER_FAILURES, probeDelay, RETRY_DELAYS_MS, retryDelay } from './retry-schedule.ts';
import { unwrapSecret } from './secrets.ts';
import type { Send, SendOutcome } from './send.ts';
import { signedHeaders } from './signature.ts';

/** Attempts under way for one webhook: a slow endpoint costs no other one its turn. */
const IN_FLIGHT = 8;
/** Deliveries of a webhook held in memory, those under way included. */
const TAKEN = 32;
/** Deliveries of a webhook that wait in the table. Past it the log keeps the rest: its position moves on when these are done. */
const WAITING = 1_000;
const PAGE = 200;
const WINDOW = 5_000;
/** With no webhook there is little to look for. */
const IDLE_MS = 1_000;
const OUTAGE_MS = 1_000;
/** For attempts that are under way when the replica stops; one that is cut off is made again by another, under the same id. */
const STOP_GRACE_MS = 2_000;
const HASTEN_WITHIN_MS = 10_000;

export type DeliveryOutcome = 'delivered' | 'failed' | 'dead';

export interface DispatcherOptions {
  db: Kysely<Tables>;
  inTransaction: InTransaction<Tables>;
  masterKey: MasterKey;
  replica: string;
  log: Pick<FastifyBaseLogger, 'info' | 'warn'>;
  send: Send;
  /** The body of a delivery. */
  render(parts: DeliveryParts): Promise<string>;
  pollMs: number;
  leaseTtlMs: number;
  /** How long an endpoint may fail, without one success, before it is turned off. */
  disableAfterMs: number;
  retryDelaysMs?: readonly number[];
  onAttempt?(outcome: DeliveryOutcome): void;
  onDisabled?(reason: 'gone' | 'failing'): void;
}

/** The lease has another holder: what was being written is not. */
class LeaseLost extends Error {}

export interface Dispatcher extends BackgroundLoop {
  /** Whether this replica delivers. */
  leading(): boolean;
}

/**
 * Brings the log to the webhooks, from one replica at a time (by a lease whose epoch fences every write). Each webhook has a position in the log
 * that moves in the transaction that makes its deliveries, and each delivery is a row until an endpoint has taken it: at least once, under one id.
 */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { db, log, replica, pollMs, leaseTtlMs } = options;
  const owner = `${replica}/${randomBytes(4).toString('hex')}`;
  const stopping = new AbortController();
  const cutOff = new AbortController();
  /** By webhook, the deliveries in memory. */
  const taken = new Map<
    string,
    { events: Set<string>; gate: ReturnType<typeof createConcurrencyLimit> }
  >();
  const running = new Set<Promise<void>>();
  let lease: Lease | undefined;
  let renewedAt = -Infinity;
  let loop: Promise<void> = Promise.resolve();
  let wake = (): void => {};

  async function pause(ms: number): Promise<void> {
    const timer = new AbortController();
    wake = () => timer.abort();
    if (stopping.signal.aborted) return;
    await sleep(ms, undefined, { signal: timer.signal }).catch(() => {});
  }

  async function keepLease(): Promise<Lease | undefined> {
    const now = performance.now();
    if (lease && now - renewedAt < leaseTtlMs / 3) return lease;
    const before = lease;
    lease = await acquireLease(db, 'audit', 'webhooks', owner, leaseTtlMs);
    renewedAt = now;
    if (lease && lease.epoch !== before?.epoch)
      log.info({ epoch: lease.epoch }, 'webhook lease taken');
    return lease;
  }

  async function mustHold(trx: Transaction<Tables>, held: Lease): Promise<void> {
    if (!(await holdLease(trx, held))) throw new LeaseLost();
  }

  const fenced = <T>(held: Lease, work: (trx: Transaction<Tables>) => Promise<T>): Promise<T> =>
    db.transaction().execute(async (trx) => {
      await mustHold(trx, held);
      return work(trx);
    });

  async function succeed(
    held: Lease,
    { webhook_id: webhookId, id, failures }: DeliveryParts,
  ): Promise<void> {
    await fenced(held, async (trx) => {
      await deleteDelivery(trx, webhookId, id);
      if (failures > 0) await clearFailures(trx, webhookId);
      if (failures >= DOWN_AFTER_FAILURES)
        await rescheduleDeliveries(trx, webhookId, HASTEN_WITHIN_MS);
    });
    options.onAttempt?.('delivered');
  }

  async function disable(
    held: Lease,
    { webhook_id: webhookId, created_by: createdBy }: DeliveryParts,
    reason: 'gone' | 'failing',
  ): Promise<void> {
    const nobody: RequestContext = {
      id: randomBytes(16).toString('hex'),
      ip: '',
      headers: {},
      principal: null,
      traceparent: null,
    };
    await options.inTransaction(nobody, async (trx, record) => {
      await mustHold(trx, held);
      if (!(await disableWebhook(trx, webhookId, reason))) throw new LeaseLost();
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
    options.onDisabled?.(reason);
  }

  async function fail(
    held: Lease,
    parts: DeliveryParts,
    { status, error, retryAfterMs }: SendOutcome,
  ): Promise<void> {
    const { webhook_id: webhookId, id, attempts } = parts;
    const delayMs = retryDelay(
      attempts + 1,
      retryAfterMs,
      options.retryDelaysMs ?? RETRY_DELAYS_MS,
    );
    const state = await fenced(held, async (trx) => {
      await failDelivery(trx, webhookId, id, { status, error, delayMs });
      const failing = await addFailure(trx, webhookId);
      const rest = probeDelay(failing?.failures ?? 0);
      if (rest > 0)
        await setProbe(
          trx,
          webhookId,
          Math.max(
            rest,
            status === 429 || status === 503 ? Math.min(retryAfterMs, 60 * 60_000) : 0,
          ),
        );
      return failing;
    });
    options.onAttempt?.(delayMs === undefined ? 'dead' : 'failed');
    if (status === 410) await disable(held, parts, 'gone');
    else if (state && Date.now() - state.failing_since.getTime() > options.disableAfterMs)
      await disable(held, parts, 'failing');
  }

  async function attempt(held: Lease, webhookId: string, eventId: string): Promise<void> {
    if (cutOff.signal.aborted || lease?.epoch !== held.epoch) return;
    const parts = await findDeliveryParts(db, webhookId, eventId);
    if (!parts) return fenced(held, (trx) => markDead(trx, webhookId, eventId));
    const secrets = await Promise.all(
      [parts.wrapped_secret, parts.wrapped_previous_secret]
        .filter((wrapped) => wrapped !== null)
        .map((wrapped) => unwrapSecret(options.masterKey, webhookId, wrapped)),
    );
    const body = await options.render(parts);
    const headers = signedHeaders(
      { id: eventId, timestamp: Math.floor(Date.now() / 1_000), body },
      secrets,
    );
    const outcome = await options.send(parts.url, headers, body, cutOff.signal);
    if (outcome.delivered) await succeed(held, parts);
    else await fail(held, parts, outcome);
  }

  function start(held: Lease, webhookId: string, eventId: string): void {
    const place = taken.get(webhookId) ?? {
      events: new Set<string>(),
      gate: createConcurrencyLimit({ concurrency: IN_FLIGHT, queueLimit: TAKEN }),
    };
    taken.set(webhookId, place);
    place.events.add(eventId);
    const work = place.gate
      .run(() => attempt(held, webhookId, eventId))
      // The row stands as it was: the delivery is due still, and is made again.
      .catch((error: unknown) => {
        // At once, not when it would be renewed: what is due still would be sent again and again until then.
        if (error instanceof LeaseLost && lease?.epoch === held.epoch) lease = undefined;
        if (!(error instanceof LeaseLost) && !cutOff.signal.aborted)
          log.warn(
            { err: error, webhook: webhookId },
            'a webhook delivery could not be worked off; it is tried again',
          );
      })
      .finally(() => {
        place.events.delete(eventId);
        running.delete(work);
        if (place.events.size <= TAKEN / 2) wake();
      });
    running.add(work);
  }

  /** @returns whether there is more to do at once */
  async function serve(held: Lease, webhook: WebhookState): Promise<boolean> {
    const down = webhook.failures >= DOWN_AFTER_FAILURES;
    let more = false;
    // What is down gets nothing new, so that its rows stay few; the log keeps what comes.
    if (!down && webhook.position < webhook.head && webhook.waiting < WAITING) {
      const made = await fenced(held, (trx) =>
        takeFromLog(trx, webhook.id, { head: webhook.head, window: WINDOW, limit: PAGE }),
      );
      more = made === PAGE || webhook.head - webhook.position > WINDOW;
    }
    const events = taken.get(webhook.id)?.events ?? new Set();
    const room = (down ? 1 : TAKEN) - events.size;
    if (webhook.resting || room <= 0) return more;
    for (const eventId of await findDue(db, webhook.id, [...events], room))
      start(held, webhook.id, eventId);
    return more;
  }

  async function round(): Promise<number> {
    const held = await keepLease();
    if (!held) return leaseTtlMs / 3;
    const webhooks = await lookAtWebhooks(db, WAITING);
    const known = new Set(webhooks.map(({ id }) => id));
    for (const [id, { events }] of taken) if (!known.has(id) && events.size === 0) taken.delete(id);
    let more = false;
    for (const webhook of webhooks) {
      if ((await keepLease())?.epoch !== held.epoch) return 0;
      more = (await serve(held, webhook)) || more;
    }
    return more ? 0 : webhooks.length === 0 ? IDLE_MS : pollMs;
  }

  async function run(): Promise<void> {
    let failing = false;
    while (!stopping.signal.aborted) {
      try {
        const ms = await round();
        failing = false;
        if (ms > 0) await pause(ms);
      } catch (error) {
        if (error instanceof LeaseLost) {
          lease = undefined;
          continue;
        }
        if (!failing) log.warn({ err: error }, 'webhooks cannot be served; it is tried again');
        failing = true;
        await pause(OUTAGE_MS);
      }
    }
  }

  return {
    name: 'webhooks',
    start: () => {
      loop = run();
    },
    async stop() {
      stopping.abort();
      wake();
      await loop;
      const grace = setTimeout(() => cutOff.abort(), STOP_GRACE_MS);
      await Promise.all(running);
      clearTimeout(grace);
      if (lease) await releaseLease(db, lease).catch(() => {});
      lease = undefined;
    },
    leading: () => lease !== undefined,
  };
}
