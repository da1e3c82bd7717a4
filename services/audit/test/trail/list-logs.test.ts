import { randomUUID } from 'node:crypto';
import { test } from 'tap';
import { type AuditEvent } from '@muniment/audit-events';
import { uuidv7 } from '@muniment/database';
import { Value } from 'typebox/value';
import { GATEWAY_HEADERS, until } from '@muniment/testing';
import { logResourceSchema } from '../../trail/log-resource.ts';
import { insertEvents } from '../../event-store/event-queries.ts';
import { anEvent } from '../records.ts';
import { startAuditStore } from '../audit-store.ts';
import {
  build,
  eventsOf,
  storeEvents,
  type Caller,
  type LogEntry,
  type TestServer,
} from '../build.ts';
import { fillLog } from '../fill-log.ts';

/** Text and keys that look like the event's own personal block. */
const LOOKALIKE = {
  a: 1,
  b: [1, '","personal":{"x":1},"request_id":'],
  personal: { commitment: 'x', subject: 'y' },
  request_id: 'z',
};

test("the list shows the caller's events, newest first, with personal values opened", async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  const bob = await parts.signIn();
  const ids = await storeEvents(parts, [
    eventsOf(ada, {
      action: 'LOGIN_FAIL',
      outcome: 'failure',
      user_id: null,
      error: 'wrong "password"',
      metadata: LOOKALIKE,
    }),
    eventsOf(bob, { action: 'LOGIN_SUCCESS' }),
    eventsOf(ada, {
      action: 'FILE_UPLOAD',
      resource: 'file/1',
      resource_type: 'file',
      metadata: { size: 5 },
      personal: { ip: '192.0.2.8', filename: 'plans.pdf' },
    }),
  ]);
  const answer = await parts.get('/api/audit/logs', ada);
  t.equal(answer.statusCode, 200, answer.body);
  t.match(answer.headers['content-type'], /^application\/json/);
  t.equal(answer.headers.link, undefined);
  const entries = answer.json<LogEntry[]>();
  t.same(
    entries.map(({ id }) => id),
    [ids[2], ids[0]],
  );
  t.match(entries[1], {
    action: 'LOGIN_FAIL',
    outcome: 'failure',
    user_id: null,
    email: 'ada@example.com',
    ip: '192.0.2.7',
    user_agent: 'tap',
    error: 'wrong "password"',
    source: 'user',
    request_id: 'r1',
  });
  t.same(entries[1]?.metadata, LOOKALIKE);
  t.same(entries[0]?.metadata, { size: 5, filename: 'plans.pdf' });
  t.equal(entries[0]?.email, null);
  for (const entry of entries) t.same([...Value.Errors(logResourceSchema, entry)], []);
});

const ids = (entries: readonly LogEntry[]): string[] => entries.map(({ id }) => id);

/** A list, read page by page by its links. */
async function walkPages(
  parts: TestServer,
  caller: Caller,
  query: string,
  meanwhile: () => Promise<unknown> = async () => {},
): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  for (let url: string | undefined = `/api/audit/logs?${query}`; url !== undefined;) {
    const answer = await parts.get(url, caller);
    if (answer.statusCode !== 200) throw new Error(`${url}: ${answer.body}`);
    entries.push(...answer.json<LogEntry[]>());
    url = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers.link ?? ''))?.[1];
    if (url !== undefined) await meanwhile();
  }
  return entries;
}

test('pages of any size together hold each entry once, and keep the filters', async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  const bob = await parts.signIn();
  const stored = await storeEvents(
    parts,
    Array.from({ length: 37 }, (_, n) =>
      n % 3 === 2
        ? // Done by ada to somebody else: hers too.
          eventsOf(bob, { user_id: ada.id, action: 'USER_UPDATED' })
        : eventsOf(ada, { action: n % 2 === 0 ? 'LOGIN_SUCCESS' : 'FILE_UPLOAD' }),
    ),
  );
  const walk = (query: string): Promise<LogEntry[]> => walkPages(parts, ada, query);
  for (const limit of [1, 5, 36, 37, 38, 200])
    t.same(ids(await walk(`limit=${limit}`)), stored.toSorted().reverse(), `limit ${limit}`);
  const uploads = await walk('limit=4&action=FILE_UPLOAD');
  t.equal(
    uploads.length,
    Array.from({ length: 37 }, (_, n) => n).filter((n) => n % 3 !== 2 && n % 2 === 1).length,
  );
  t.ok(uploads.every(({ action }) => action === 'FILE_UPLOAD'));
});

test("the list hides others' events, and others' values in the caller's events", async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  const bob = await parts.signIn();
  await storeEvents(parts, [
    eventsOf(bob),
    eventsOf(bob, { user_id: ada.id, action: 'USER_UPDATED' }),
  ]);
  const entries = (await parts.get('/api/audit/logs', ada)).json<LogEntry[]>();
  t.match(entries, [{ action: 'USER_UPDATED', user_id: ada.id, email: null, ip: null }]);
  t.equal((await parts.get('/api/audit/logs', bob)).json<LogEntry[]>().length, 2);
});

test('filters narrow the list; `from` is inclusive and `to` is exclusive', async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  // One after the other is stored: each has a millisecond of its own.
  await storeEvents(parts, [eventsOf(ada, { action: 'LOGIN_FAIL', outcome: 'failure' })]);
  await storeEvents(parts, [eventsOf(ada, { action: 'FILE_UPLOAD', resource: 'file/ä&=1' })]);
  await storeEvents(parts, [eventsOf(ada, { action: 'FILE_DELETE', resource: 'file/2' })]);
  const list = async (query: Record<string, string>) => {
    const answer = await parts.get(`/api/audit/logs?${new URLSearchParams(query).toString()}`, ada);
    t.equal(answer.statusCode, 200, answer.body);
    return answer.json<LogEntry[]>();
  };
  const all = await list({});
  const actions = async (query: Record<string, string>) =>
    (await list(query)).map(({ action }) => action);
  t.same(await actions({ outcome: 'failure' }), ['LOGIN_FAIL']);
  t.same(await actions({ action: 'FILE_DELETE' }), ['FILE_DELETE']);
  t.same(await actions({ resource: 'file/ä&=1' }), ['FILE_UPLOAD']);
  t.same(await actions({ resource: 'file/2', action: 'FILE_UPLOAD' }), []);
  const middle = String(all[1]?.timestamp);
  t.same(await actions({ from: middle }), ['FILE_DELETE', 'FILE_UPLOAD']);
  t.same(await actions({ to: middle }), ['LOGIN_FAIL']);
  t.same(
    await actions({
      from: middle.replace('Z', '+00:00'),
      to: new Date(Date.parse(middle) + 1).toISOString(),
    }),
    ['FILE_UPLOAD'],
  );
  t.same(await actions({ from: '0001-01-01T00:00:00Z', to: '9999-12-31T23:59:59Z' }), [
    'FILE_DELETE',
    'FILE_UPLOAD',
    'LOGIN_FAIL',
  ]);
});

test('a malformed filter is a 400 that names it, and never reaches the database', async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  for (const cursor of [
    'x',
    '',
    'l',
    'lAAAA',
    `l${'A'.repeat(43)}`,
    `l${'A'.repeat(42)}B`,
    `x${'A'.repeat(43)}`,
    `l${'A'.repeat(42)}`,
    '018f0000-0000-7000-8000-000000000001',
    '%00',
    '../..',
    'l' + '\u00e9'.repeat(43),
  ]) {
    const answer = await parts.get(`/api/audit/logs?cursor=${encodeURIComponent(cursor)}`, ada);
    t.equal(answer.statusCode, 400, cursor);
    t.match(answer.headers['content-type'], /^application\/problem\+json/);
    t.match(answer.json(), { status: 400, code: 'cursor_invalid' }, cursor);
  }
  for (const query of [
    'limit=0',
    'limit=201',
    'limit=x',
    'limit=1&limit=2',
    'limit=-1',
    'limit=1.5',
    'from=yesterday',
    'from=2026-13-01T00:00:00Z',
    'to=2026-01-01',
    'outcome=maybe',
    'action=lower',
    'resource=a%00b',
    'action=A%00',
    `resource=${'x'.repeat(501)}`,
    'unknown=1',
    'cursor=a&cursor=b',
    `cursor=${'i'.repeat(200)}`,
    'from=',
    'resource=',
  ]) {
    const answer = await parts.get(`/api/audit/logs?${query}`, ada);
    t.match(
      answer.json(),
      { status: 400, code: /^(validation_failed|malformed_text|cursor_invalid)$/ },
      `${query} ${answer.body}`,
    );
  }
  t.equal((await parts.get('/api/audit/logs')).statusCode, 401);
});

test("after a user's erasure the events stay, without values, at every replica", async (t) => {
  const parts = await build(t, await startAuditStore(t));
  const ada = await parts.signIn();
  await storeEvents(parts, [eventsOf(ada, { metadata: { size: 1 } })]);
  t.match((await parts.get('/api/audit/logs', ada)).json(), [{ email: 'ada@example.com' }]);
  await parts.superuser.query('insert into shared.erasures (user_id) values ($1)', [ada.id]);
  await parts.server.http.app.listen({ port: 0 });
  await until(
    async () =>
      (await parts.superuser.query('select 1 from shared.erasures where audit_done')).rowCount ===
      1,
  );
  t.match((await parts.get('/api/audit/logs', ada)).json(), [
    { user_id: ada.id, email: null, ip: null, user_agent: null, metadata: { size: 1 } },
  ]);
  t.equal(
    (await parts.superuser.query('select 1 from keys.subject_keys where subject = $1', [ada.id]))
      .rowCount,
    0,
  );
  t.equal(
    (await parts.superuser.query('select 1 from keys.erased_subjects where subject = $1', [ada.id]))
      .rowCount,
    1,
  );
});

test('a tampered personal block does not fail the page', async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  const [first] = await storeEvents(parts, [eventsOf(ada), eventsOf(ada)]);
  await parts.superuser.query(
    "update audit.events set personal_ciphertext = 'AAAA' where id = $1",
    [first],
  );
  const answer = await parts.get('/api/audit/logs', ada);
  t.equal(answer.statusCode, 200, answer.body);
  t.same(
    answer.json<LogEntry[]>().map(({ email }) => email),
    ['ada@example.com', null],
    'newest first; the one tampered with says nothing',
  );
});

const pick = <Value>(values: readonly Value[], n: number): Value =>
  values[n % values.length] as Value;

/** What each filter means, said without the database. */
const MEANS: Record<string, (event: AuditEvent, value: string) => boolean> = {
  actor: (event, value) => event.user_id === value.toLowerCase(),
  action: (event, value) =>
    value.endsWith('*') ? event.action.startsWith(value.slice(0, -1)) : event.action === value,
  outcome: (event, value) => event.outcome === value,
  resource: (event, value) => event.resource === value,
  resource_type: (event, value) => event.resource_type === value,
  session_id: (event, value) => event.session_id === value,
  request_id: (event, value) => event.request_id === value,
  tenant_id: (event, value) => event.tenant_id === value,
  source: (event, value) => event.source === value,
  from: (event, value) => Date.parse(event.timestamp) >= Date.parse(value),
  to: (event, value) => Date.parse(event.timestamp) < Date.parse(value),
};

test('any combination of filters finds exactly the matching events', async (t) => {
  const parts = await build(t);
  const root = await parts.signIn('admin');
  const ada = await parts.signIn();
  const users = [ada.id, randomUUID(), randomUUID()];
  const sessions = [randomUUID(), randomUUID(), null];
  const day = 24 * 60 * 60_000;
  const now = Date.now();
  const times = Array.from({ length: 90 }, (_, n) => now - 70 * day + n * 0.75 * day);
  const events = await fillLog(parts, 90, (n) => ({
    id: uuidv7(times[n] ?? 0),
    timestamp: new Date(times[n] ?? 0).toISOString(),
    source: pick(['user', 'file', 'audit', 'app'] as const, n * 7),
    outcome: pick(['success', 'success', 'failure'] as const, n),
    action: pick(['FILE_UPLOAD', 'FILE_DELETE', 'LOGIN_FAIL', 'FILES_MOVED', 'Z'], n * 3),
    user_id: pick([...users, null], n),
    resource: pick(['file/1', 'file/2', null], n * 5),
    resource_type: pick(['file', null], n),
    session_id: pick(sessions, n),
    request_id: `r${n % 9}`,
    tenant_id: pick([null, 'acme', 'acme-2'], n),
    personal: {
      subject: pick(users, n + 1),
      key_id: randomUUID(),
      commitment: Buffer.alloc(32, n).toString('base64'),
      nonce: 'AAAAAAAAAAAAAAAA',
      ciphertext: 'AAAA',
    },
  }));
  const at = (n: number): string => new Date(times[n] ?? 0).toISOString();
  const values: Record<string, string[]> = {
    actor: [users[0] ?? '', String(users[1]).toUpperCase(), randomUUID()],
    action: ['FILE_UPLOAD', 'FILE_*', 'F*', 'LOGIN_FAIL', 'NONE', 'Z*'],
    outcome: ['success', 'failure'],
    resource: ['file/1', 'none'],
    resource_type: ['file', 'none'],
    session_id: [sessions[0] ?? ''],
    request_id: ['r3', 'r99'],
    tenant_id: ['acme', 'acme-3'],
    source: ['user', 'app'],
    from: [at(20), at(60)],
    to: [at(61), at(89)],
  };
  const single = Object.entries(values).flatMap(([name, some]) =>
    some.map((value) => ({ [name]: value })),
  );
  const names = Object.keys(values);
  const together = Array.from({ length: 60 }, (_, n) =>
    Object.fromEntries(
      [n, n * 5 + 1, ...(n % 2 === 0 ? [n * 7 + 3] : [])].map((k) => [
        pick(names, k),
        pick(values[pick(names, k)] ?? [], n),
      ]),
    ),
  );
  let found = 0;
  for (const [n, filter] of [...single, ...together].entries()) {
    const own = n % 3 === 0;
    const wanted = events
      .filter(
        (event) =>
          Object.entries(filter).every(([name, value]) => MEANS[name]?.(event, value)) &&
          (!own || event.user_id === ada.id || event.personal?.subject === ada.id),
      )
      .map(({ id }) => id);
    found += wanted.length;
    const parameters = new URLSearchParams(filter).toString();
    const what = `${own ? 'own ' : ''}${parameters}`;
    t.same(
      ids(await walkPages(parts, own ? ada : root, `${parameters}&limit=${pick([3, 17, 200], n)}`)),
      wanted.toSorted().reverse(),
      what,
    );
    t.same(
      ids(
        await walkPages(
          parts,
          own ? ada : root,
          `${parameters}&order=log&limit=${pick([200, 4, 17], n)}`,
        ),
      ),
      wanted,
      `${what} by index`,
    );
  }
  t.ok(found > 500, `${found} entries`);
});

test('an address or e-mail finds only events whose values the reader may see', async (t) => {
  const parts = await build(t);
  const [ada, bob, root] = [
    await parts.signIn(),
    await parts.signIn(),
    await parts.signIn('admin'),
  ];
  const stored = await storeEvents(parts, [
    eventsOf(ada),
    eventsOf(ada, { personal: { email: 'other@example.com', ip: '2001:db8::1' } }),
    eventsOf(bob, { personal: { email: 'bob@example.com', ip: '192.0.2.7' } }),
    // What ada did to bob: in her list, but his address is not hers to find.
    eventsOf(bob, {
      user_id: ada.id,
      action: 'USER_UPDATED',
      personal: { email: 'bob@example.com', ip: '192.0.2.9' },
    }),
  ]);
  const found = async (caller: Caller, query: string): Promise<number[]> =>
    ids(await walkPages(parts, caller, query))
      .map((id) => stored.indexOf(id))
      .toSorted((a, b) => a - b);
  t.same(await found(root, 'ip=192.0.2.7'), [0, 2]);
  t.same(await found(root, 'email=bob@example.com'), [2, 3]);
  t.same(await found(root, 'email=Bob@EXAMPLE.com'), [2, 3], 'as an account is found');
  t.same(await found(root, 'ip=2001:0db8:0::1&limit=1'), [1]);
  t.same(await found(root, 'email=bob@example.com&ip=192.0.2.7'), [2]);
  t.same(await found(root, 'email=bob@example.com&order=log'), [2, 3]);
  t.same(await found(ada, 'ip=192.0.2.7'), [0]);
  t.same(await found(ada, 'email=bob@example.com'), []);
  t.same(await found(ada, 'ip=192.0.2.9&action=USER_UPDATED'), []);
});

test("later events, whatever their time, neither shift nor double a list's pages", async (t) => {
  const parts = await build(t);
  const root = await parts.signIn('admin');
  const events = (await fillLog(parts, 40)).map(({ id }) => id);
  let round = 0;
  const late = (): Promise<unknown> => {
    round += 1;
    // A slow transaction's events come with ids among those of pages that were read and of pages
    // to come, and new ones arrive as well.
    return fillLog(parts, 6, (n) => ({
      id:
        n % 2 === 0
          ? uuidv7(
              Number.parseInt((events[(n * 7) % 40] ?? '').replaceAll('-', '').slice(0, 12), 16),
            )
          : uuidv7(Date.now() + round),
      seq: 1_000 * round + n,
    }));
  };
  t.same(ids(await walkPages(parts, root, 'limit=7', late)), events.toReversed());
  t.same(
    ids(await walkPages(parts, root, 'limit=7&action=LOGIN_SUCCESS')).length,
    40 + round * 6,
    'all of it is in the next walk',
  );
});

test('a poller by index gets each event once, however late its id', async (t) => {
  const parts = await build(t);
  const root = await parts.signIn('admin');
  const first = (await fillLog(parts, 12)).map(({ id }) => id);
  const got: string[] = [];
  let url = '/api/audit/logs?order=log&limit=5';
  async function poll(): Promise<void> {
    for (;;) {
      const answer = await parts.get(url, root);
      const entries = answer.json<LogEntry[]>();
      got.push(...ids(entries));
      const [, next, rel] =
        /^<([^>]+)>; rel="(next|monitor)"$/.exec(String(answer.headers.link)) ?? [];
      url = next ?? url;
      if (rel === 'monitor') return;
    }
  }
  await poll();
  t.same(got, first);
  const more = [
    ...(await fillLog(parts, 4, (n) => ({ id: uuidv7(Date.now() - 1_000_000 * n), seq: 100 + n }))),
    ...(await fillLog(parts, 3, (n) => ({ seq: 200 + n }))),
  ].map(({ id }) => id);
  await poll();
  t.same(got, [...first, ...more]);
  await poll();
  t.equal(got.length, 19, 'and nothing again');
});

test('a stored event that is not sealed is not shown', async (t) => {
  const parts = await build(t);
  const root = await parts.signIn('admin');
  const [sealed] = await fillLog(parts, 1);
  const event = anEvent({ seq: 2 });
  await parts.db.transaction().execute((trx) => insertEvents(trx, [event]));
  t.same(ids(await walkPages(parts, root, '')), [sealed?.id]);
  t.same(ids(await walkPages(parts, root, `request_id=${event.request_id}`)), [sealed?.id]);
  t.equal((await parts.get(`/api/audit/logs/${event.id}`, root)).statusCode, 404);
});

/** The events that the service's own outbox holds. */
const recorded = async ({ superuser }: TestServer) =>
  (
    await superuser.query<{ text: string }>(
      "select head || ',' || tail as text from audit.outbox order by position",
    )
  ).rows.map(
    ({ text }) =>
      JSON.parse(text) as {
        id: string;
        action: string;
        user_id: string;
        metadata: unknown;
        personal: { subject: string };
      },
  );

test("an administrator's reading is one event, committed before the answer", async (t) => {
  const parts = await build(t);
  const [ada, root] = [await parts.signIn(), await parts.signIn('admin')];
  const [id] = await storeEvents(parts, [eventsOf(ada), eventsOf(root)]);
  t.match(
    (await parts.get('/api/audit/logs?limit=1&action=LOGIN_*&email=ada@example.com', root)).json(),
    [{ email: 'ada@example.com' }],
  );
  t.match(await recorded(parts), [
    {
      action: 'AUDIT_READ',
      user_id: root.id,
      metadata: {
        operation: 'trail.list_logs',
        filter: { action: 'LOGIN_*', email: '(personal)' },
        count: 1,
      },
      personal: { subject: root.id },
    },
  ]);
  t.notMatch(JSON.stringify(await recorded(parts)), /ada@example/);

  t.match((await parts.get(`/api/audit/logs/${id}`, root)).json(), { email: 'ada@example.com' });
  t.match((await recorded(parts)).slice(1), [
    { action: 'AUDIT_READ', metadata: { operation: 'trail.get_log' }, resource: id },
  ]);
  for (const [url, caller] of [
    ['/api/audit/logs?scope=own', root],
    ['/api/audit/logs', ada],
    [`/api/audit/logs/${id}`, ada],
    [`/api/audit/logs/${randomUUID()}`, root],
    ['/api/audit/logs?limit=0', root],
  ] as const)
    await parts.get(url, caller);
  t.equal(
    (await recorded(parts)).length,
    2,
    'what one reads of oneself, and what is not answered, is no event',
  );
  t.match((await parts.get('/api/audit/logs?scope=own', root)).json(), [{ user_id: root.id }]);

  await parts.superuser.query('alter table audit.outbox rename to gone');
  const refused = await parts.get('/api/audit/logs', root);
  t.equal(refused.statusCode, 500, 'what cannot be recorded is not read');
  t.notMatch(refused.body, /ada@example/);
  await parts.superuser.query('alter table audit.gone rename to outbox');
});

test('a reading that the gateway repeats at another replica is one event', async (t) => {
  const parts = await build(t);
  const root = await parts.signIn('admin');
  const headers = {
    ...GATEWAY_HEADERS,
    authorization: `Bearer ${root.token}`,
    'x-request-id': '5c1f0e6b9d3a4c2f8e7d6b5a49382716',
    'x-request-start': (Date.now() / 1_000).toFixed(3),
  };
  for (let n = 0; n < 2; n += 1)
    t.equal(
      (await parts.server.http.app.inject({ url: '/api/audit/logs', headers })).statusCode,
      200,
    );
  t.match(await recorded(parts), [{ action: 'AUDIT_READ' }]);
  t.equal((await recorded(parts)).length, 1);
});

test('a cursor continues only the list that issued it', async (t) => {
  const parts = await build(t);
  const [ada, root] = [await parts.signIn(), await parts.signIn('admin')];
  await fillLog(parts, 5, () => ({ user_id: ada.id }));
  const cursor = /cursor=([\w-]+)/.exec(
    String((await parts.get('/api/audit/logs?limit=2', root)).headers.link),
  )?.[1];
  t.equal(
    (await parts.get(`/api/audit/logs?limit=3&cursor=${cursor}`, root)).statusCode,
    200,
    'with another limit it may',
  );
  for (const [query, caller] of [
    [`action=A&cursor=${cursor}`, root],
    [`scope=own&cursor=${cursor}`, root],
    [`cursor=${cursor}`, ada],
    [`actor=${ada.id}&cursor=${cursor}`, root],
  ] as const) {
    t.match(
      (await parts.get(`/api/audit/logs?${query}`, caller)).json(),
      { status: 400, code: 'cursor_invalid' },
      query,
    );
  }
  for (const query of [
    `order=log&cursor=${cursor}`,
    'after=3',
    'ip=300.0.0.1',
    'from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z',
  ]) {
    t.match(
      (await parts.get(`/api/audit/logs?${query}`, root)).json(),
      { status: 400, code: 'filter_invalid' },
      query,
    );
  }
  for (const query of [
    'action=*',
    'action=A**',
    'email=x',
    'actor=1',
    'source=x',
    'scope=all',
    'order=time',
    'order=log&after=-1',
    `order=log&after=${2 ** 60}`,
  ]) {
    t.match(
      (await parts.get(`/api/audit/logs?${query}`, root)).json(),
      { status: 400, code: 'validation_failed' },
      query,
    );
  }
});

test('a query that the database cancels is a 503', async (t) => {
  const parts = await build(t, { DATABASE_STATEMENT_TIMEOUT_MS: '300' });
  const root = await parts.signIn('admin');
  await fillLog(parts, 1);
  await parts.superuser.query('begin; lock table audit.events in access exclusive mode');
  const answer = await parts.get('/api/audit/logs', root);
  await parts.superuser.query('rollback');
  t.match(answer.json(), { status: 503, code: 'dependency_unavailable' });
  t.ok(answer.headers['retry-after']);
});
