import { randomUUID } from 'node:crypto';
import { test, type Test } from 'tap';
import { untilBlocked } from '@muniment/testing';
import { acquireLease, LeaseLost, uuidv7, type Lease } from '@muniment/database';
import {
  attemptDelivery,
  type AttemptOptions,
} from '../../../webhooks/delivery/attempt-delivery.ts';
import { insertDeliveries } from '../../../webhooks/delivery/delivery-queries.ts';
import { DOWN_AFTER_FAILURES } from '../../../webhooks/delivery/retry-schedule.ts';
import { wrapSecret } from '../../../webhooks/delivery/secrets.ts';
import type { SendOutcome } from '../../../webhooks/delivery/send.ts';
import { createSecret } from '../../../webhooks/delivery/signature.ts';
import { insertWebhook } from '../../../webhooks/delivery/webhook-queries.ts';
import { build, type TestServer } from '../../build.ts';
import { storeSealed } from '../../live/sealed.ts';

const MINUTE_MS = 60_000;
const DELIVERED: SendOutcome = { delivered: true, status: 204, error: null, retryAfterMs: 0 };
const failed = (status: number, retryAfterMs = 0): SendOutcome => ({
  delivered: false,
  status,
  error: 'status',
  retryAfterMs,
});

interface Hooked extends TestServer {
  webhookId: string;
  lease: Lease;
  insert(head: number, limit: number): Promise<number>;
  /** Attempts the first delivery of the log, or one behind it. */
  attempt(
    outcome: SendOutcome,
    options?: Partial<AttemptOptions> & { skip?: number },
  ): Promise<string[]>;
  hook(): Promise<Record<string, unknown>>;
}

const LEASE = { schema: 'audit', name: 'webhooks', ttlMs: 60_000 };

async function holdLease(db: TestServer['db'], holder: string): Promise<Lease> {
  const lease = await acquireLease(db, { ...LEASE, holder });
  if (!lease) throw new Error('the lease is held');
  return lease;
}

/** A webhook for all of five events, and the lease of its deliveries. */
async function open(t: Test): Promise<Hooked> {
  const parts = await build(t);
  const { db, masterKey, server, superuser } = parts;
  await storeSealed(db, [{}, {}, {}, {}, {}]);
  const webhookId = uuidv7(Date.now());
  const wrapped = await wrapSecret(masterKey, webhookId, createSecret());
  await db
    .transaction()
    .execute((trx) =>
      insertWebhook(trx, {
        id: webhookId,
        url: 'https://example.com/',
        description: null,
        actions: [],
        tenant_id: null,
        include_personal: false,
        wrapped_secret: wrapped,
        position: -1,
        created_by: randomUUID(),
      }),
    );
  const lease = await holdLease(db, 'one');
  const insert = (head: number, limit: number) =>
    db
      .transaction()
      .execute((trx) => insertDeliveries(trx, webhookId, { head, window: 10, limit }));
  const hook = async () => {
    const { rows } = await superuser.query<Record<string, unknown>>(
      `select *, extract(epoch from probe_at - now()) * 1000 as paused_ms from audit.webhooks`,
    );
    return rows[0] ?? {};
  };
  const attempt: Hooked['attempt'] = async (outcome, { skip = 0, ...options } = {}) => {
    const sent: string[] = [];
    const delivery = await db
      .selectFrom('audit.webhook_deliveries')
      .select('event_id')
      .orderBy('index')
      .offset(skip)
      .executeTakeFirstOrThrow();
    const attempting = {
      db,
      masterKey,
      inTransaction: server.data.inTransaction,
      log: { info() {}, warn() {} },
      send: (url: string) => {
        sent.push(url);
        return Promise.resolve(outcome);
      },
      render: () => Promise.resolve('{}'),
      disableAfterMs: 60_000,
      ...options,
    };
    const { signal } = new AbortController();
    await attemptDelivery(attempting, lease, { webhookId, eventId: delivery.event_id, signal });
    return sent;
  };
  return { ...parts, webhookId, lease, insert, attempt, hook };
}

test('a full window of deliveries leaves the rest of the log to the next', async (t) => {
  const { insert, hook } = await open(t);
  t.equal(await insert(4, 2), 2);
  t.match(await hook(), { position: '1' });
  t.equal(await insert(4, 2), 2);
  t.equal(await insert(4, 2), 1);
  t.match(await hook(), { position: '4' });
  t.equal(await insert(4, 2), 0);
});

test('an overloaded endpoint that is down is paused for as long as it asks', async (t) => {
  const { insert, attempt, hook, superuser } = await open(t);
  await insert(4, 5);
  await superuser.query('update audit.webhooks set failures = $1, failing_since = now()', [
    DOWN_AFTER_FAILURES,
  ]);
  await attempt(failed(500, 30 * MINUTE_MS));
  t.ok(Number((await hook())['paused_ms']) < 5 * MINUTE_MS, 'only the overloaded may ask');
  await attempt(failed(503, 30 * MINUTE_MS));
  const pausedMs = Number((await hook())['paused_ms']);
  t.ok(pausedMs > 29 * MINUTE_MS && pausedMs <= 30 * MINUTE_MS, `${pausedMs} ms`);
  await attempt(failed(429, 24 * 60 * MINUTE_MS));
  t.ok(Number((await hook())['paused_ms']) <= 60 * MINUTE_MS, 'not for ever');
});

test('a success ends the row of failures', async (t) => {
  const { insert, attempt, hook } = await open(t);
  await insert(4, 5);
  await attempt(failed(500));
  t.match(await hook(), { failures: 1, failing_since: Date });
  await attempt(DELIVERED);
  t.match(await hook(), { failures: 0, failing_since: null });
});

test('a disabled webhook gets nothing, and its delivery stays', async (t) => {
  const { insert, attempt, superuser, db } = await open(t);
  await insert(0, 5);
  await superuser.query(`update audit.webhooks set enabled = false, disabled_reason = 'gone'`);
  t.same(await attempt(DELIVERED), []);
  t.match(await db.selectFrom('audit.webhook_deliveries').selectAll().execute(), [
    { status: 'pending', attempts: 0 },
  ]);
});

test('a holder that was succeeded meanwhile disables no webhook', async (t) => {
  const { insert, attempt, hook, db, server, superuser } = await open(t);
  await insert(0, 5);
  const inTransaction: AttemptOptions['inTransaction'] = async (request, change) => {
    await superuser.query(`update audit.leases set expires_at = now() where name = 'webhooks'`);
    await holdLease(db, 'two');
    return server.data.inTransaction(request, change);
  };
  await t.rejects(attempt(failed(410), { inTransaction }), LeaseLost);
  t.match(await hook(), { enabled: true });
});

test('attempts of a webhook that end at once do not deadlock', async (t) => {
  const { insert, attempt, superuser } = await open(t);
  const rows = async (text: string) => (await superuser.query(text)).rows;
  for (const outcome of [DELIVERED, failed(500)]) {
    await insert(4, 5);
    await rows(`update audit.webhooks set failures = ${DOWN_AFTER_FAILURES}`);
    await rows('begin');
    await rows('select from audit.webhooks for update');
    const both = Promise.all([attempt(DELIVERED), attempt(outcome, { skip: 1 })]);
    await untilBlocked(rows, 'both wait for the row of the webhook', 2);
    await rows('commit');
    await both;
  }
  t.pass();
});
