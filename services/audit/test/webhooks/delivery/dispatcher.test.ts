import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { Webhook } from 'standardwebhooks';
import { test, type Test } from 'tap';
import { uuidv7 } from '@muniment/database';
import { until } from '@muniment/testing';
import { insertWebhook } from '../../../webhooks/delivery/webhook-queries.ts';
import {
  createDispatcher,
  type Dispatcher,
  type DispatcherOptions,
} from '../../../webhooks/delivery/dispatcher.ts';
import { parseAllowList } from '../../../webhooks/delivery/endpoint.ts';
import { wrapSecret } from '../../../webhooks/delivery/secrets.ts';
import { createSender } from '../../../webhooks/delivery/send.ts';
import { createSecret, secretText } from '../../../webhooks/delivery/signature.ts';
import { build, type TestServer } from '../../build.ts';
import { range, storeSealed } from '../../live/sealed.ts';
import { startReceiver, type Receiver } from './receiver.ts';

interface Hook {
  id: string;
  secret: Buffer;
}

async function addHook(
  parts: TestServer,
  receiver: Pick<Receiver, 'host'>,
  more: { actions?: string[]; tenant_id?: string; position?: number } = {},
): Promise<Hook> {
  const id = uuidv7(Date.now());
  const secret = createSecret();
  await parts.db
    .transaction()
    .execute(async (trx) =>
      insertWebhook(trx, {
        id,
        url: `http://${receiver.host}/${id}`,
        description: null,
        actions: more.actions ?? [],
        tenant_id: more.tenant_id ?? null,
        include_personal: false,
        wrapped_secret: await wrapSecret(parts.masterKey, id, secret),
        position: more.position ?? -1,
        created_by: randomUUID(),
      }),
    );
  return { id, secret };
}

interface Watched extends Dispatcher {
  outcomes: string[];
  disabled: string[];
}

function dispatch(
  t: Test,
  parts: TestServer,
  receivers: readonly Pick<Receiver, 'host'>[],
  options: Partial<DispatcherOptions> = {},
): Watched {
  const watched = { outcomes: [] as string[], disabled: [] as string[] };
  const dispatcher = createDispatcher({
    db: parts.db,
    inTransaction: parts.server.data.inTransaction,
    masterKey: parts.masterKey,
    replica: 'test',
    log: { info() {}, warn() {} },
    send: createSender({
      allowList: parseAllowList(receivers.map(({ host }) => host).join()),
      resolve: async () => [],
      timeoutMs: 1_000,
    }),
    render: async ({ index, action }) =>
      JSON.stringify({ type: `audit.${action}`, data: { index } }),
    pollMs: 20,
    leaseTtlMs: 1_000,
    disableAfterMs: 60_000,
    onAttempt: (outcome) => watched.outcomes.push(outcome),
    onDisabled: (reason) => watched.disabled.push(reason),
    ...options,
  });
  dispatcher.start();
  t.teardown(() => dispatcher.stop());
  return Object.assign(dispatcher, watched);
}

const indexOf = (body: string): number =>
  (JSON.parse(body) as { data: { index: number } }).data.index;
const indexes = (receiver: Receiver, hook?: Hook): number[] =>
  receiver.received
    .filter(({ url }) => !hook || url === `/${hook.id}`)
    .map(({ body }) => indexOf(body))
    .sort((one, other) => one - other);
const rowsOf = (parts: TestServer, hook: Hook) =>
  parts.db
    .selectFrom('audit.webhook_deliveries')
    .selectAll()
    .where('webhook_id', '=', hook.id)
    .orderBy('index')
    .execute();
const stateOf = (parts: TestServer, hook: Hook) =>
  parts.db
    .selectFrom('audit.webhooks')
    .selectAll()
    .where('id', '=', hook.id)
    .executeTakeFirstOrThrow();

test('each matching event is delivered once, signed by the standard', async (t) => {
  const parts = await build(t);
  const receiver = await startReceiver(t);
  await storeSealed(parts.db, [{}, { action: 'FILE_UPLOAD' }]);
  const all = await addHook(parts, receiver);
  const files = await addHook(parts, receiver, { actions: ['FILE_*', 'LOGOUT'] });
  const tenant = await addHook(parts, receiver, { tenant_id: 'acme' });
  const fresh = await addHook(parts, receiver, { position: 1 });
  dispatch(t, parts, [receiver]);
  await storeSealed(parts.db, [
    { action: 'FILE_DELETE', tenant_id: 'acme' },
    { action: 'LOGOUT' },
    { action: 'LOGOUT_ALL' },
    { action: 'FILES', tenant_id: 'acm' },
  ]);
  await until(() => receiver.received.length >= 6 + 3 + 1 + 4);
  await sleep(200);
  t.same(indexes(receiver, all), range(0, 6));
  t.same(indexes(receiver, files), [1, 2, 3]);
  t.same(indexes(receiver, tenant), [2]);
  t.same(indexes(receiver, fresh), [2, 3, 4, 5]);
  const [sealed] = (
    await sql<{ event_id: string }>`select event_id from audit.sealed where index = 2`.execute(
      parts.db,
    )
  ).rows;
  for (const hook of [all, files, tenant, fresh]) {
    const got = receiver.received.find(
      ({ url, body }) => url === `/${hook.id}` && indexOf(body) === 2,
    );
    t.equal(got?.headers['webhook-id'], sealed?.event_id);
    t.doesNotThrow(() =>
      new Webhook(secretText(hook.secret)).verify(
        got?.body ?? '',
        got?.headers as Record<string, string>,
      ),
    );
    await until(async () => (await rowsOf(parts, hook)).length === 0);
    t.equal((await stateOf(parts, hook)).position, 5);
  }
});

test('a failed delivery is retried under its id until it is dead', async (t) => {
  const parts = await build(t);
  const receiver = await startReceiver(t);
  receiver.answer = ({ body }, response) =>
    void response.writeHead(indexOf(body) === 1 ? 500 : 200).end();
  const hook = await addHook(parts, receiver);
  const { outcomes } = dispatch(t, parts, [receiver], { retryDelaysMs: [100, 1_200] });
  await storeSealed(parts.db, [{}, {}, {}]);
  await until(() => outcomes.includes('dead'));
  t.same(indexes(receiver), [0, 1, 1, 1, 2]);
  const attempts = receiver.received
    .filter(({ body }) => indexOf(body) === 1)
    .map(({ headers }) => headers);
  t.equal(new Set(attempts.map((headers) => headers['webhook-id'])).size, 1);
  t.not(attempts[0]?.['webhook-timestamp'], attempts[2]?.['webhook-timestamp']);
  t.same(outcomes.toSorted(), ['dead', 'delivered', 'delivered', 'failed', 'failed']);
  t.match(await rowsOf(parts, hook), [
    { index: 1, status: 'dead', attempts: 3, last_status: 500, last_error: 'status' },
  ]);
  t.match(await stateOf(parts, hook), { enabled: true, position: 2 });
});

test('an outage of every endpoint skips no delivery', async (t) => {
  const parts = await build(t);
  const receiver = await startReceiver(t);
  const hook = await addHook(parts, receiver);
  await storeSealed(
    parts.db,
    Array.from({ length: 250 }, () => ({})),
  );
  const first = dispatch(t, parts, [receiver]);
  await until(() => receiver.received.length > 20);
  await first.stop();
  await storeSealed(
    parts.db,
    Array.from({ length: 250 }, () => ({})),
  );
  const second = dispatch(t, parts, [receiver]);
  await until(() => new Set(indexes(receiver)).size === 500);
  await until(async () => (await rowsOf(parts, hook)).length === 0);
  t.same([...new Set(indexes(receiver))], range(0, 500));
  await second.stop();
});

test('one replica delivers, and its successor takes over within the lease', async (t) => {
  const parts = await build(t);
  const receiver = await startReceiver(t);
  await addHook(parts, receiver);
  const [one, two] = [
    dispatch(t, parts, [receiver], { replica: 'one' }),
    dispatch(t, parts, [receiver], { replica: 'two' }),
  ];
  await until(() => one.leading() || two.leading());
  await storeSealed(
    parts.db,
    Array.from({ length: 50 }, () => ({})),
  );
  await until(() => receiver.received.length >= 50);
  await sleep(300);
  t.same(indexes(receiver), range(0, 50), 'not one was sent by both');
  t.equal(Number(one.leading()) + Number(two.leading()), 1);
  // The holder's answer comes when another holds the lease: its success must not be written.
  const [holder, other] = one.leading() ? [one, two] : [two, one];
  let late = (): void => {};
  receiver.answer = (_, response) => {
    late = () => void response.writeHead(200).end();
  };
  await storeSealed(parts.db, [{}]);
  await until(() => receiver.received.length === 51);
  await sql`
    update audit.leases
    set holder = 'thief', epoch = epoch + 1, expires_at = now() + interval '2 seconds'
    where name = 'webhooks'`.execute(parts.db);
  receiver.answer = (_, response) => void response.writeHead(200).end();
  late();
  await until(() => receiver.received.length >= 52);
  t.equal(
    indexOf(receiver.received[51]?.body ?? ''),
    50,
    'the delivery whose end nobody could write down was made again',
  );
  await until(
    async () =>
      (await parts.db.selectFrom('audit.webhook_deliveries').selectAll().execute()).length === 0,
  );
  t.equal(
    receiver.received.length,
    52,
    'once, by the next holder: who has lost the lease sends no more',
  );
  await Promise.all([holder.stop(), other.stop()]);
});

test('a slow endpoint costs others nothing, and has few attempts and rows', async (t) => {
  const parts = await build(t);
  const [good, silent] = [await startReceiver(t), await startReceiver(t)];
  silent.answer = () => {};
  const goodHook = await addHook(parts, good);
  const badHook = await addHook(parts, silent);
  dispatch(t, parts, [good, silent], { leaseTtlMs: 10_000 });
  const began = performance.now();
  for (let n = 0; n < 7; n += 1)
    await storeSealed(
      parts.db,
      Array.from({ length: 200 }, () => ({})),
    );
  await until(() => good.received.length >= 1_400, { timeoutMs: 60_000 });
  t.comment(
    `1400 deliveries beside a silent endpoint: ${Math.round(performance.now() - began)} ms`,
  );
  t.same(indexes(good, goodHook), range(0, 1_400));
  t.ok(silent.atOnce <= 8, `${silent.atOnce} at once`);
  await until(async () => (await stateOf(parts, badHook)).failures >= 10);
  const rows = await rowsOf(parts, badHook);
  t.ok(rows.length <= 1_200, `${rows.length} rows`);
  const { position } = await stateOf(parts, badHook);
  t.equal(position, rows.at(-1)?.index, 'the log keeps the rest');

  // Back again: everything arrives, soon. An attempt under way may still fail and put it off.
  silent.answer = (_, response) => void response.writeHead(200).end();
  const retryNow = async (): Promise<void> => {
    await sql`update audit.webhooks set probe_at = null where id = ${badHook.id}`.execute(parts.db);
    await sql`
      update audit.webhook_deliveries set next_attempt_at = now()
      where webhook_id = ${badHook.id} and index = 0`.execute(parts.db);
  };
  await until(
    async () => {
      if ((await stateOf(parts, badHook)).failures > 0) await retryNow();
      return new Set(indexes(silent)).size === 1_400;
    },
    { what: 'all deliveries arrive', timeoutMs: 90_000 },
  );
  t.match(await stateOf(parts, badHook), { failures: 0, failing_since: null, probe_at: null });
});

test('410 or failing for too long disables a webhook, and it loses nothing', async (t) => {
  const parts = await build(t);
  const receiver = await startReceiver(t);
  const [gone, failing] = [await addHook(parts, receiver), await addHook(parts, receiver)];
  receiver.answer = ({ url }, response) =>
    void response.writeHead(url === `/${gone.id}` ? 410 : 500).end();
  const { disabled } = dispatch(t, parts, [receiver], {
    disableAfterMs: 300,
    retryDelaysMs: [200, 200, 200, 200, 200],
  });
  await storeSealed(parts.db, [{}]);
  await until(() => disabled.length === 2);
  t.match(await stateOf(parts, gone), { enabled: false, disabled_reason: 'gone' });
  t.match(await stateOf(parts, failing), { enabled: false, disabled_reason: 'failing' });
  const { rows } = await parts.superuser.query<{ text: string }>(
    `select head || ',' || tail as text from audit.outbox`,
  );
  const events = rows.map(
    ({ text }) =>
      JSON.parse(text) as {
        action: string;
        resource: string;
        metadata: { reason: string };
        user_id: null;
      },
  );
  t.same(
    new Set(
      events.map(
        ({ action, resource, metadata, user_id }) =>
          `${action} ${resource} ${metadata.reason} ${user_id}`,
      ),
    ),
    new Set([
      `WEBHOOK_DISABLED ${gone.id} gone null`,
      `WEBHOOK_DISABLED ${failing.id} failing null`,
    ]),
  );
  t.equal(events.length, 2);
  const sofar = receiver.received.length;
  await storeSealed(parts.db, [{}, {}]);
  await sleep(300);
  t.equal(receiver.received.length, sofar);
  receiver.answer = (_, response) => void response.writeHead(200).end();
  await sql`
    update audit.webhooks
    set enabled = true, failures = 0, failing_since = null, probe_at = null`.execute(parts.db);
  await until(
    () =>
      new Set(indexes(receiver, gone)).size === 3 && new Set(indexes(receiver, failing)).size === 3,
  );
});

test("a delivery whose event was moved to an archive is dead, and in nobody's way", async (t) => {
  const parts = await build(t);
  const receiver = await startReceiver(t);
  const hook = await addHook(parts, receiver);
  await storeSealed(parts.db, [{}, {}]);
  await sql`
    insert into audit.webhook_deliveries (webhook_id, event_id, index)
    values (${hook.id}, ${randomUUID()}, 77)`.execute(parts.db);
  dispatch(t, parts, [receiver]);
  await until(() => receiver.received.length === 2);
  await until(async () => (await rowsOf(parts, hook))[0]?.status === 'dead');
  t.match(await rowsOf(parts, hook), [{ index: 77, status: 'dead', last_error: 'event_archived' }]);
});

test('both secrets sign while one is replaced, and the old one no more afterwards', async (t) => {
  const parts = await build(t);
  const receiver = await startReceiver(t);
  const hook = await addHook(parts, receiver);
  const old = createSecret();
  await parts.superuser.query(
    `
      update audit.webhooks
      set wrapped_previous_secret = $2, previous_secret_until = now() + interval '1 hour'
      where id = $1`,
    [hook.id, await wrapSecret(parts.masterKey, hook.id, old)],
  );
  dispatch(t, parts, [receiver]);
  await storeSealed(parts.db, [{}]);
  await until(() => receiver.received.length === 1);
  await parts.superuser.query(
    "update audit.webhooks set previous_secret_until = now() - interval '1 second'",
  );
  await storeSealed(parts.db, [{}]);
  await until(() => receiver.received.length === 2);
  const verify = (secret: Buffer, n: number) =>
    new Webhook(secretText(secret)).verify(
      receiver.received[n]?.body ?? '',
      receiver.received[n]?.headers as Record<string, string>,
    );
  t.doesNotThrow(() => verify(hook.secret, 0));
  t.doesNotThrow(() => verify(old, 0));
  t.doesNotThrow(() => verify(hook.secret, 1));
  t.throws(() => verify(old, 1));
});
