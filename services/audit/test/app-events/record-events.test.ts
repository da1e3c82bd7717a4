import { sql } from 'kysely';
import { test, type Test } from 'tap';
import { createSubjectKeys } from '@muniment/audit-events';
import { createDatabase } from '@muniment/database';
import { createApiToken, hashApiToken } from '@muniment/security';
import { until } from '@muniment/testing';
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
  actor: { id: 'u17', type: 'user', name: 'Ada Lovelace', email: 'ada@customer.example' },
  resource: 'invoice/7',
  resource_type: 'invoice',
  occurred_at: '2026-11-20T08:00:00+02:00',
  metadata: { amount: 5 },
  personal: { ip: '192.0.2.44', phone: '+1 555 0100' },
};
const eventOf = (id: string, more: object = {}): object => ({ ...EVENT, id, ...more });

const post = ({ server }: TestServer, caller: Caller | undefined, payload: unknown) =>
  server.http.app.inject({
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

async function start(t: Test): Promise<TestServer & { admin: Caller }> {
  const parts = await build(t);
  return { ...parts, admin: await parts.signIn('admin') };
}

test('an answered event is in the outbox, its personal values encrypted', async (t) => {
  const parts = await start(t);
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
  t.ok(Date.parse(String(events[0]?.timestamp)) >= before, 'the timestamp is that of its arrival');
  t.notMatch(JSON.stringify(events), /192\.0\.2\.44|customer\.example|Ada Lovelace|\+1 555 0100/);
});

test('a repeated event is a duplicate, and other content under its id is refused', async (t) => {
  const parts = await start(t);
  const first = (await post(parts, parts.admin, EVENT)).json<Accepted>();
  const again = await post(parts, parts.admin, {
    ...EVENT,
    personal: { phone: '+1 555 0100', ip: '192.0.2.44' },
  });
  t.equal(again.statusCode, 200);
  t.strictSame(again.json<Accepted>().data, [{ ...first.data[0], status: 'duplicate' }]);
  const mixed = await post(parts, parts.admin, {
    events: [eventOf('evt-1'), eventOf('evt-2'), eventOf('evt-2')],
  });
  t.equal(mixed.statusCode, 201);
  t.strictSame(
    mixed.json<Accepted>().data.map(({ status }) => status),
    ['duplicate', 'created', 'duplicate'],
  );
  t.equal(mixed.json<Accepted>().data[1]?.event_id, mixed.json<Accepted>().data[2]?.event_id);

  const other = await post(parts, parts.admin, {
    events: [
      eventOf('evt-3'),
      eventOf('evt-1', { metadata: { amount: 6 } }),
      eventOf('evt-2', { personal: { ip: '192.0.2.45', phone: '+1 555 0100' } }),
    ],
  });
  t.equal(other.statusCode, 409, other.body);
  t.match(other.json(), {
    code: 'event_id_reused',
    errors: [{ pointer: '/events/1/id' }, { pointer: '/events/2/id' }],
  });
  const within = await post(parts, parts.admin, {
    events: [eventOf('evt-4'), eventOf('evt-4', { outcome: 'failure' })],
  });
  t.match(within.json(), {
    status: 409,
    code: 'event_id_reused',
    errors: [{ pointer: '/events/1/id' }],
  });
  t.equal((await outbox(parts)).length, 2);
  t.equal(await claims(parts), 2);
});

test('two tenants may use one id', async (t) => {
  const parts = await start(t);
  const { data } = (
    await post(parts, parts.admin, {
      events: [eventOf('evt-1'), eventOf('evt-1', { tenant_id: 'other' })],
    })
  ).json<Accepted>();
  t.strictSame(
    data.map(({ status }) => status),
    ['created', 'created'],
  );
  const [one, other] = (await outbox(parts)) as { personal: { subject: string } }[];
  t.not(one?.personal.subject, other?.personal.subject, 'each tenant has its own subject');
});

test('a batch with one bad event records none, and the answer names it', async (t) => {
  const parts = await start(t);
  const bad = await post(parts, parts.admin, {
    events: [
      eventOf('evt-1'),
      eventOf('evt-2', { action: 'not an action' }),
      eventOf('evt-3', { occurred_at: '2999-01-01T00:00:00Z' }),
    ],
  });
  t.match(bad.json(), {
    status: 400,
    code: 'validation_failed',
    errors: [{ pointer: '/events/1/action' }, { pointer: '/events/2/occurred_at' }],
  });
  const large = await post(parts, parts.admin, {
    events: [
      eventOf('evt-1'),
      eventOf('evt-2', { metadata: { text: 'x'.repeat(16_384) } }),
      eventOf('evt-3'),
    ],
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
        eventOf('evt-4', {
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
        events: [eventOf('evt-1', { metadata: { text: 'x'.repeat(10 * 1024 * 1024) } })],
      })
    ).statusCode,
    413,
  );
  t.strictSame([await outbox(parts), await claims(parts)], [[], 0]);
  t.equal(
    (
      await post(parts, parts.admin, {
        events: [eventOf('evt-1'), eventOf('evt-2'), eventOf('evt-3')],
      })
    ).statusCode,
    201,
  );
});

test('a batch sent to two replicas at once is recorded once, and answered alike', async (t) => {
  const parts = await start(t);
  const { db } = createDatabase<Tables>({
    url: parts.database.url('audit_service'),
    applicationName: 'other-replica',
  });
  t.teardown(() => db.destroy());
  const subjectKeys = createSubjectKeys(parts.masterKey);
  const other = {
    data: { db },
    crypto: { subjectKeys },
    searchTerms: createSearchTerms({ db, masterKey: parts.masterKey, subjectKeys, log: silent }),
  };
  const events = Array.from({ length: 20 }, (_, n) =>
    eventOf(`evt-${n}`, {
      tenant_id: `tenant-${n % 3}`,
      actor: { id: `u${n % 7}` },
      outcome: 'success',
    }),
  ) as never[];
  const recorder = { userId: parts.admin.id, requestId: 'r2', traceparent: null };
  const answers = await Promise.all(
    Array.from({ length: 8 }, async (_, n) => {
      // Orders differ, which would deadlock without one order of claims.
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

test('a call that dies before its commit leaves nothing, and can be repeated', async (t) => {
  const parts = await start(t);
  // The lock stops the call right before its commit; then its connection is cut.
  await parts.superuser.query('begin');
  await parts.superuser.query('lock table app.outbox in exclusive mode');
  const dying = post(parts, parts.admin, EVENT);
  const pid = await until(async () => {
    const { rows } = await sql<{ pid: number }>`
      select pid from pg_stat_activity
      where wait_event_type = 'Lock' and query like '%app"."outbox%'`.execute(parts.db);
    return rows[0]?.pid;
  });
  await parts.superuser.query('select pg_terminate_backend($1)', [pid]);
  t.equal((await dying).statusCode, 503);
  await parts.superuser.query('rollback');
  t.strictSame([await outbox(parts), await claims(parts)], [[], 0]);
  t.equal((await post(parts, parts.admin, EVENT)).statusCode, 201);
  t.equal((await outbox(parts)).length, 1);
});

test('ids keep the order of a batch, and events of one subject share a lane', async (t) => {
  const parts = await start(t);
  const { data } = (
    await post(parts, parts.admin, {
      events: Array.from({ length: 100 }, (_, n) =>
        eventOf(`evt-${n}`, { actor: { id: `u${n % 5}` }, personal: {} }),
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
  for (const laneIds of lanes.values()) t.equal(laneIds.size, 1);
});

test('500 events with 500 new subjects are recorded with a few statements', async (t) => {
  const parts = await start(t);
  await post(parts, parts.admin, EVENT);
  const batch = (run: string) => ({
    events: Array.from({ length: 500 }, (_, n) =>
      eventOf(`${run}-${n}`, { actor: { id: `u${n}` } }),
    ),
  });
  const began = performance.now();
  t.equal((await post(parts, parts.admin, batch('a'))).statusCode, 201);
  const fresh = performance.now() - began;
  const again = performance.now();
  t.equal((await post(parts, parts.admin, batch('b'))).statusCode, 201);
  const known = performance.now() - again;
  t.comment(
    `500 events: ${fresh.toFixed(0)} ms with new subjects, ${known.toFixed(0)} ms with known ones`,
  );
  t.ok(fresh < 3_000, 'no round trip per event');
});

test('callers without permission get a 401 or a 403', async (t) => {
  const parts = await start(t);
  t.equal((await post(parts, undefined, EVENT)).statusCode, 401);
  t.equal((await post(parts, await parts.signIn('customer'), EVENT)).statusCode, 403);
});

test('an event names the API token by which it came, and its owner', async (t) => {
  const parts = await start(t);
  const token = createApiToken();
  const [stored] = (
    await parts.superuser.query<{ id: string }>(
      `insert into identity.api_tokens (id, user_id, token_hash, name, scopes, expires_at)
       values (gen_random_uuid(), $1, $2, 'backend', '{audit:write-events}',
         now() + interval '1 hour') returning id`,
      [parts.admin.id, hashApiToken(token)],
    )
  ).rows;
  t.equal((await post(parts, { ...parts.admin, token }, EVENT)).statusCode, 201);
  t.equal((await post(parts, parts.admin, eventOf('evt-2'))).statusCode, 201);
  const [byToken, inSession] = (await outbox(parts)).map(({ metadata }) => metadata) as {
    event: object;
  }[];
  t.match(byToken?.event, { recorded_by: parts.admin.id, api_token: stored?.id });
  t.notOk(Object.hasOwn(inSession?.event ?? {}, 'api_token'));
});
