import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { test, type Test } from 'tap';
import { createSubjectKeys } from '@muniment/audit-events';
import { createDatabase } from '@muniment/database';
import { acceptEvents } from '../../app-events/accept-events.ts';
import { createSearchTerms } from '../../search/search-terms.ts';
import type { Tables } from '../../tables.ts';
import { build, type Caller, type TestServer } from '../build.ts';
import { silent } from '../parts.ts';

interface Accepted {
  data: { id: string; event_id: string; status: string }[];
}

const EVENT = {
  id: 'evt-1',
  tenant_id: 'acme',
  action: 'invoice.paid',
  actor: { id: 'u17', type: 'user', name: 'Ada', email: 'ada@customer.example' },
  resource: 'invoice/7',
  resource_type: 'invoice',
  occurred_at: '2026-11-20T08:00:00+02:00',
  metadata: { amount: 5 },
  personal: { ip: '192.0.2.44', phone: '+1 555 0100' },
};
const of = (id: string, more: object = {}): object => ({ ...EVENT, id, ...more });

const post = ({ server }: TestServer, caller: Caller | undefined, payload: unknown) =>
  server.app.inject({
    method: 'POST',
    url: '/api/audit/events',
    headers: {
      'content-type': 'application/json',
      ...(caller && { authorization: `Bearer ${caller.token}` }),
    },
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
  });

async function outbox({ superuser }: TestServer): Promise<Record<string, unknown>[]> {
  const { rows } = await superuser.query<{ text: string }>(
    `select head || ',"seq":1,' || tail as text from app.outbox order by position`,
  );
  return rows.map(({ text }) => JSON.parse(text) as Record<string, unknown>);
}

const claims = async ({ superuser }: TestServer): Promise<number> =>
  (await superuser.query('select from audit.app_events')).rowCount ?? 0;

async function started(t: Test): Promise<TestServer & { admin: Caller }> {
  const parts = await build(t);
  return { ...parts, admin: await parts.signIn('admin') };
}

test('an event is in the outbox of the source app when it is answered, its personal values unreadable', async (t) => {
  const parts = await started(t);
  const before = Date.now();
  const answer = await post(parts, parts.admin, EVENT);
  t.equal(answer.statusCode, 201, answer.body);
  const { data } = answer.json<Accepted>();
  t.match(data, [{ id: 'evt-1', status: 'created' }]);
  const events = await outbox(parts);
  t.match(events, [
    {
      id: data[0]?.event_id,
      source: 'app',
      tenant_id: 'acme',
      action: 'INVOICE_PAID',
      outcome: 'success',
      user_id: null,
      session_id: null,
      resource: 'invoice/7',
      resource_type: 'invoice',
      personal: { subject: /^app:[\w-]{43}$/ },
    },
  ]);
  t.strictSame(events[0]?.metadata, {
    amount: 5,
    event: {
      id: 'evt-1',
      action: 'invoice.paid',
      actor: { id: 'u17', type: 'user' },
      occurred_at: '2026-11-20T06:00:00.000Z',
      recorded_by: parts.admin.id,
    },
  });
  t.ok(Date.parse(String(events[0]?.timestamp)) >= before, 'the timestamp is when it was taken');
  t.notMatch(JSON.stringify(events), /192\.0\.2\.44|customer\.example|Ada|555/);
});

test('the same id and body again is the same event; another body under a used id is refused and changes nothing', async (t) => {
  const parts = await started(t);
  const first = (await post(parts, parts.admin, EVENT)).json<Accepted>();
  const again = await post(parts, parts.admin, {
    ...EVENT,
    personal: { phone: '+1 555 0100', ip: '192.0.2.44' },
  });
  t.equal(again.statusCode, 200);
  t.strictSame(again.json<Accepted>().data, [{ ...first.data[0], status: 'duplicate' }]);
  const mixed = await post(parts, parts.admin, { events: [of('evt-1'), of('evt-2'), of('evt-2')] });
  t.equal(mixed.statusCode, 201);
  t.strictSame(
    mixed.json<Accepted>().data.map(({ status }) => status),
    ['duplicate', 'created', 'duplicate'],
  );
  t.equal(mixed.json<Accepted>().data[1]?.event_id, mixed.json<Accepted>().data[2]?.event_id);

  const other = await post(parts, parts.admin, {
    events: [
      of('evt-3'),
      of('evt-1', { metadata: { amount: 6 } }),
      of('evt-2', { personal: { ip: '192.0.2.45', phone: '+1 555 0100' } }),
    ],
  });
  t.equal(other.statusCode, 409, other.body);
  t.match(other.json(), {
    code: 'event_id_reused',
    errors: [{ pointer: '/events/1/id' }, { pointer: '/events/2/id' }],
  });
  const within = await post(parts, parts.admin, {
    events: [of('evt-4'), of('evt-4', { outcome: 'failure' })],
  });
  t.match(within.json(), {
    status: 409,
    code: 'event_id_reused',
    errors: [{ pointer: '/events/1/id' }],
  });
  t.equal((await outbox(parts)).length, 2);
  t.equal(await claims(parts), 2);
});

test("an id is a tenant's own", async (t) => {
  const parts = await started(t);
  const { data } = (
    await post(parts, parts.admin, { events: [of('evt-1'), of('evt-1', { tenant_id: 'other' })] })
  ).json<Accepted>();
  t.strictSame(
    data.map(({ status }) => status),
    ['created', 'created'],
  );
  const [one, other] = (await outbox(parts)) as { personal: { subject: string } }[];
  t.not(
    one?.personal.subject,
    other?.personal.subject,
    "two tenants' users of one id are two people",
  );
});

test('of a batch with one bad event none is recorded, and the answer names it', async (t) => {
  const parts = await started(t);
  const bad = await post(parts, parts.admin, {
    events: [
      of('evt-1'),
      of('evt-2', { action: 'not an action' }),
      of('evt-3', { occurred_at: '2999-01-01T00:00:00Z' }),
    ],
  });
  t.match(bad.json(), {
    status: 400,
    code: 'validation_failed',
    errors: [{ pointer: '/events/1/action' }, { pointer: '/events/2/occurred_at' }],
  });
  const large = await post(parts, parts.admin, {
    events: [of('evt-1'), of('evt-2', { metadata: { text: 'x'.repeat(16_384) } }), of('evt-3')],
  });
  t.match(large.json(), {
    status: 413,
    code: 'event_too_large',
    errors: [{ pointer: '/events/1' }],
  });
  t.match(
    (
      await post(
        parts,
        parts.admin,
        of('evt-4', {
          personal: Object.fromEntries(
            Array.from({ length: 40 }, (_, n) => [`field_${n}`, 'x'.repeat(500)]),
          ),
        }),
      )
    ).json(),
    { code: 'event_too_large', errors: [{ pointer: '' }] },
  );
  t.equal(
    (
      await post(parts, parts.admin, {
        events: [of('evt-1', { metadata: { text: 'x'.repeat(10 * 1024 * 1024) } })],
      })
    ).statusCode,
    413,
  );
  t.strictSame([await outbox(parts), await claims(parts)], [[], 0]);
  t.equal(
    (await post(parts, parts.admin, { events: [of('evt-1'), of('evt-2'), of('evt-3')] }))
      .statusCode,
    201,
  );
});

test('the same batch sent by many at once to two replicas is recorded once, and all get the same answer', async (t) => {
  const parts = await started(t);
  const { db } = createDatabase<Tables>({
    url: parts.database.url('audit_service'),
    applicationName: 'other-replica',
  });
  t.teardown(() => db.destroy());
  const subjectKeys = createSubjectKeys(parts.masterKey);
  const other = {
    db,
    subjectKeys,
    searchTerms: createSearchTerms({ db, masterKey: parts.masterKey, subjectKeys, log: silent }),
  };
  const events = Array.from({ length: 20 }, (_, n) =>
    of(`evt-${n}`, {
      tenant_id: `tenant-${n % 3}`,
      actor: { id: `u${n % 7}` },
      outcome: 'success',
    }),
  ) as never[];
  const recorder = { userId: parts.admin.id, requestId: 'r2', traceparent: null };
  const answers = await Promise.all(
    Array.from({ length: 8 }, async (_, n) => {
      // Each in an order of its own: whoever waits for another must not be waited for by it.
      const shuffled = n % 2 === 0 ? events : events.toReversed();
      const data =
        n % 4 < 2
          ? await acceptEvents(other, { batch: true, events: shuffled }, recorder)
          : (await post(parts, parts.admin, { events: shuffled })).json<Accepted>().data;
      return n % 2 === 0 ? data : data.toReversed();
    }),
  );
  for (const data of answers)
    t.strictSame(
      data.map(({ event_id }) => event_id),
      answers[0]?.map(({ event_id }) => event_id),
    );
  t.equal(answers.flat().filter(({ status }) => status === 'created').length, 20);
  t.equal((await outbox(parts)).length, 20);
});

test('a call that dies before its commit leaves nothing, and its repetition is recorded', async (t) => {
  const parts = await started(t);
  // Whoever holds the outbox makes the call stand right before its commit; then its connection is cut, as by a kill.
  await parts.superuser.query('begin');
  await parts.superuser.query('lock table app.outbox in exclusive mode');
  const dying = post(parts, parts.admin, EVENT);
  const waiting = () =>
    sql<{
      pid: number;
    }>`select pid from pg_stat_activity where wait_event_type = 'Lock' and query like '%app"."outbox%'`.execute(
      parts.db,
    );
  let [row] = (await waiting()).rows;
  while (!row) {
    await sleep(20);
    [row] = (await waiting()).rows;
  }
  await parts.superuser.query('select pg_terminate_backend($1)', [row.pid]);
  t.equal((await dying).statusCode, 503);
  await parts.superuser.query('rollback');
  t.strictSame([await outbox(parts), await claims(parts)], [[], 0]);
  t.equal((await post(parts, parts.admin, EVENT)).statusCode, 201);
  t.equal((await outbox(parts)).length, 1);
});

test('events of one batch keep their order by id, and those of one subject share a lane', async (t) => {
  const parts = await started(t);
  const { data } = (
    await post(parts, parts.admin, {
      events: Array.from({ length: 100 }, (_, n) =>
        of(`evt-${n}`, { actor: { id: `u${n % 5}` }, personal: {} }),
      ),
    })
  ).json<Accepted>();
  const ids = data.map(({ event_id }) => event_id);
  t.strictSame(ids, ids.toSorted());
  const lanes = new Map<unknown, Set<unknown>>();
  for (const event of await outbox(parts)) {
    const { actor } = (event.metadata as { event: { actor: { id: string } } }).event;
    lanes.set(actor.id, (lanes.get(actor.id) ?? new Set()).add(event.lane));
  }
  t.equal(lanes.size, 5);
  for (const of of lanes.values()) t.equal(of.size, 1);
});

test('500 events with 500 new subjects are recorded with a few statements', async (t) => {
  const parts = await started(t);
  await post(parts, parts.admin, EVENT);
  const batch = (run: string) => ({
    events: Array.from({ length: 500 }, (_, n) => of(`${run}-${n}`, { actor: { id: `u${n}` } })),
  });
  const began = performance.now();
  t.equal((await post(parts, parts.admin, batch('a'))).statusCode, 201);
  const fresh = performance.now() - began;
  const again = performance.now();
  t.equal((await post(parts, parts.admin, batch('b'))).statusCode, 201);
  t.comment(
    `500 events: ${fresh.toFixed(0)} ms with new subjects, ${(performance.now() - again).toFixed(0)} ms with known ones`,
  );
  t.ok(fresh < 3_000, 'far from one round trip an event');
});

test('who may not write events is refused, and any body gets a 4xx at the worst', async (t) => {
  const parts = await started(t);
  t.equal((await post(parts, undefined, EVENT)).statusCode, 401);
  t.equal((await post(parts, await parts.signIn('customer'), EVENT)).statusCode, 403);
  let seed = 7;
  const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  const pick = <Value>(...values: Value[]): Value =>
    values[Math.floor(random() * values.length)] as Value;
  const value = (depth: number): unknown =>
    pick<() => unknown>(
      () => null,
      () => true,
      () => -0,
      () => 1e308,
      () => Number.MAX_VALUE,
      () => '',
      () => 'x'.repeat(Math.floor(random() * 2_000)),
      () => 'äöü\u{1f600}',
      () => '2026-11-21T00:00:00Z',
      () => 'acme',
      () => 'user.login',
      () => '192.0.2.1',
      () => '\ud800',
      () => '\0',
      () =>
        depth === 0 ? 0 : Array.from({ length: Math.floor(random() * 4) }, () => value(depth - 1)),
      () =>
        depth === 0
          ? {}
          : Object.fromEntries(
              Array.from({ length: Math.floor(random() * 5) }, () => [
                pick('id', 'subject', 'email', 'ip', 'toString', 'constructor', 'event', 'x'),
                value(depth - 1),
              ]),
            ),
    )();
  const fields = [
    'id',
    'tenant_id',
    'action',
    'outcome',
    'error',
    'actor',
    'resource',
    'resource_type',
    'occurred_at',
    'metadata',
    'personal',
    'more',
  ];
  const statuses = new Map<number, number>();
  for (let round = 0; round < 600; round += 1) {
    const mutated = (): unknown => ({
      ...of(`p-${round}`),
      ...Object.fromEntries(fields.filter(() => random() < 0.15).map((field) => [field, value(3)])),
    });
    const body = pick<() => unknown>(
      () => mutated(),
      () => ({ events: [mutated(), mutated()] }),
      () => value(4),
      () => ({ events: value(3) }),
    )();
    const { statusCode, body: text } = await post(parts, parts.admin, body);
    statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1);
    if (statusCode >= 500) t.fail(`${statusCode} ${text} for ${JSON.stringify(body)}`);
  }
  for (const raw of [
    '',
    '{',
    '[[[[',
    '{"id":1e999}',
    JSON.stringify(EVENT).replace('5', '1e999'),
    '['.repeat(100_000),
    `{"metadata":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)},"id":"x","tenant_id":"a","action":"b"}`,
    '{"__proto__":{}}',
    '\ufeff{}',
  ]) {
    const { statusCode } = await post(parts, parts.admin, raw);
    t.ok(statusCode >= 400 && statusCode < 500, `${statusCode} for ${raw.slice(0, 20)}`);
  }
  t.ok(
    (statuses.get(201) ?? 0) > 20 && (statuses.get(400) ?? 0) > 100,
    JSON.stringify([...statuses]),
  );
});
