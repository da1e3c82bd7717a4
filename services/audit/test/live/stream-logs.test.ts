import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { Value } from 'typebox/value';
import { createViewerToken, hashViewerToken } from '@muniment/security';
import { timeBound, until } from '@muniment/testing';
import { logResourceSchema } from '../../trail/log-resource.ts';
import { build, eventsOf, storeEvents, type Caller, type LogEntry } from '../build.ts';
import { connect, follow, range, serve, storeSealed } from './sealed.ts';

const eventIds = (text: string): number[] =>
  [...text.matchAll(/^id: (-?\d+)\nevent: audit$/gm)].map(([, id]) => Number(id));
const entriesOf = (text: string): LogEntry[] =>
  [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data));
const aboutSomebody = (subject: string) => ({
  subject,
  key_id: randomUUID(),
  commitment: 'AAAA',
  nonce: 'AAAA',
  ciphertext: 'AAAA',
});

test("a stream shows the caller's events as they are sealed, in the log's order", async (t) => {
  const parts = await build(t);
  const { url } = await serve(t, parts.server);
  const ada = await parts.signIn();
  await storeSealed(parts.db, [{ user_id: ada.id }, {}, {}]);
  const line = await connect(`${url}/api/audit/stream`, ada);
  t.equal(line.response.statusCode, 200);
  t.match(line.response.headers, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  await until(() => line.text() !== '');
  t.match(
    line.text(),
    /^retry: \d{4}\nid: 2\n\n$/,
    'the id to resume from is there before any event',
  );
  await storeSealed(parts.db, [
    { user_id: ada.id, metadata: { text: 'a\nb\r\nc  ü\n\ndata: x' } },
    {},
    { user_id: null, personal: aboutSomebody(ada.id) },
  ]);
  await until(() => eventIds(line.text()).length === 2);
  t.same(eventIds(line.text()), [3, 5]);
  const entries = entriesOf(line.text());
  for (const entry of entries) t.same([...Value.Errors(logResourceSchema, entry)], []);
  for (const entry of entries)
    t.same(entry, (await parts.get(`/api/audit/logs/${entry.id}`, ada)).json());
  line.close();
});

test('a reader that reconnects again and again gets each event once, in order', async (t) => {
  const parts = await build(t);
  const { url, cut } = await serve(t, parts.server);
  const ada = await parts.signIn();
  const follower = follow(t, `${url}/api/audit/stream?after=-1`, ada);
  let connections = 0;
  follower.source.addEventListener('open', () => {
    connections += 1;
  });
  const mine: number[] = [];
  for (let round = 0; round < 120; round += 1) {
    const count = 1 + ((round * 7) % 40);
    const last = await storeSealed(
      parts.db,
      Array.from({ length: count }, (_, n) => (n % 3 === 0 ? { user_id: ada.id } : {})),
    );
    mine.push(...range(last + 1 - count, last + 1).filter((_, n) => n % 3 === 0));
    if (round % 40 === 20) cut();
    await sleep(30);
  }
  await until(() => follower.indexes.length >= mine.length);
  t.ok(connections >= 3, `${connections} connections`);
  t.same(follower.indexes, mine);
});

test('filters narrow a stream, both from the table and live', async (t) => {
  const parts = await build(t);
  const { url } = await serve(t, parts.server);
  const ada = await parts.signIn();
  const some = [
    { action: 'FILE_UPLOAD', resource: 'file/1' },
    { action: 'FILE_UPLOAD', resource: 'file/2' },
    { action: 'LOGIN_FAIL', outcome: 'failure' as const },
    { action: 'FILE_DELETE', resource: 'file/1' },
  ].map((event) => ({ ...event, user_id: ada.id }));
  const cases = {
    'action=FILE_*': [0, 1, 3],
    'action=FILE_UPLOAD': [0, 1],
    'outcome=failure': [2],
    'resource=file/1': [0, 3],
    'resource=file/1&action=FILE_DELETE': [3],
    'action=LOGOUT': [],
  };
  for (const [query, expected] of Object.entries(cases)) {
    const before = (await storeSealed(parts.db, some)) - some.length;
    const line = await connect(`${url}/api/audit/stream?after=${before}&${query}`, ada);
    await until(() => eventIds(line.text()).length >= expected.length);
    await storeSealed(parts.db, [...some, { user_id: ada.id, ...some[expected[0] ?? 0] }]);
    const all = [
      ...expected,
      ...expected.map((id) => id + some.length),
      ...(expected.length > 0 ? [2 * some.length] : []),
    ];
    await until(() => eventIds(line.text()).length >= all.length);
    t.same(
      eventIds(line.text()),
      all.map((id) => before + 1 + id),
      query,
    );
    line.close();
  }
});

test('an administrator streams everything, which is an event before the first byte', async (t) => {
  const parts = await build(t);
  const { url } = await serve(t, parts.server);
  const root = await parts.signIn('admin');
  await storeSealed(parts.db, [{}, { action: 'FILE_UPLOAD' }]);
  const line = await connect(`${url}/api/audit/stream?after=-1&action=FILE_UPLOAD`, root);
  const { rows } = await parts.superuser.query<{ text: string }>(
    `select head || ',' || tail as text from audit.outbox`,
  );
  t.match(
    rows.map(({ text }) => JSON.parse(text)),
    [
      {
        action: 'AUDIT_READ',
        user_id: root.id,
        metadata: { operation: 'live.stream_logs', filter: { action: 'FILE_UPLOAD' } },
      },
    ],
  );
  await until(() => eventIds(line.text()).length === 1);
  t.same(eventIds(line.text()), [1]);
  line.close();
});

test("a viewer streams only its tenant's events, until its token is revoked", async (t) => {
  const parts = await build(t);
  const { url } = await serve(t, parts.server);
  const token = createViewerToken();
  await parts.superuser.query(
    `insert into audit.viewer_tokens (id, token_hash, tenant_id, created_by, expires_at)
    values (gen_random_uuid(), $1, 'acme', $2, now() + interval '1 hour')`,
    [hashViewerToken(token), (await parts.signIn('admin')).id],
  );
  const some = [
    { source: 'app' as const, tenant_id: 'acme' },
    { tenant_id: 'acme' },
    { source: 'app' as const, tenant_id: 'other' },
    {},
  ];
  await storeSealed(parts.db, some);
  const line = await connect(`${url}/api/audit/stream?after=-1`, { id: '', token });
  t.equal(line.response.statusCode, 200);
  const others = [
    'tenant_id=other',
    'tenant_id=other&source=app',
    'source=user',
    'scope=own&source=user',
  ];
  const outside = await Promise.all(
    others.map((query) => connect(`${url}/api/audit/stream?after=-1&${query}`, { id: '', token })),
  );
  await until(() => eventIds(line.text()).length === 1);
  await storeSealed(parts.db, some);
  await until(() => eventIds(line.text()).length === 2);
  t.same(eventIds(line.text()), [0, 4]);
  await sleep(200);
  for (const [n, { response, text }] of outside.entries())
    t.same(
      [response.statusCode, eventIds(text())],
      [200, []],
      `no filter leads out of its tenant: ${others[n]}`,
    );
  await parts.superuser.query('update audit.viewer_tokens set revoked_at = now()');
  const revoked = performance.now();
  await Promise.race([Promise.all([line, ...outside].map(({ ended }) => ended)), sleep(5_000)]);
  t.ok(
    performance.now() - revoked < timeBound(1_000, 4_000),
    `after ${Math.round(performance.now() - revoked)} ms`,
  );
});

test('a filter by address matches any spelling, live and from the table', async (t) => {
  const parts = await build(t);
  const { url } = await serve(t, parts.server);
  const ada = await parts.signIn();
  const some = [
    eventsOf(ada, { personal: { ip: '2001:db8::1', email: 'Ada@Example.com' } }),
    eventsOf(ada),
    eventsOf(ada, { personal: { ip: '2001:db8:0::1' } }),
  ];
  await storeEvents(parts, some);
  const byIp = await connect(`${url}/api/audit/stream?after=-1&ip=2001:0db8:0:0::1`, ada);
  const byBoth = await connect(
    `${url}/api/audit/stream?after=-1&ip=2001:DB8::1&email=Ada@EXAMPLE.com`,
    ada,
  );
  await until(() => eventIds(byIp.text()).length === 2 && eventIds(byBoth.text()).length === 1);
  await storeEvents(parts, some);
  await until(() => eventIds(byIp.text()).length >= 4 && eventIds(byBoth.text()).length >= 2);
  await sleep(200);
  t.same(
    entriesOf(byIp.text()).map(({ ip }) => ip),
    ['2001:db8::1', '2001:db8:0::1', '2001:db8::1', '2001:db8:0::1'],
  );
  t.same(
    entriesOf(byBoth.text()).map(({ email }) => email),
    ['Ada@Example.com', 'Ada@Example.com'],
  );
});

test('heartbeats break the silence, with an id that moves past filtered events', async (t) => {
  const parts = await build(t, { STREAM_HEARTBEAT_MS: '200' });
  const { url } = await serve(t, parts.server);
  const ada = await parts.signIn();
  const line = await connect(`${url}/api/audit/stream`, ada);
  await until(() => line.text().includes('\n\n:\nid: -1\n\n'));
  await storeSealed(
    parts.db,
    Array.from({ length: 700 }, () => ({})),
  );
  await until(() => line.text().includes(':\nid: 699\n\n'), { timeoutMs: timeBound(2_000) });
  t.same(eventIds(line.text()), []);
  line.close();
});

test('a stream ends within a second of the end of its session or role', async (t) => {
  const parts = await build(t);
  const { url } = await serve(t, parts.server);
  const endings = {
    'a logout': (caller: Caller) =>
      parts.superuser.query('update identity.sessions set revoked_at = now() where user_id = $1', [
        caller.id,
      ]),
    'a deletion': (caller: Caller) =>
      parts.superuser.query('delete from identity.sessions where user_id = $1', [caller.id]),
    'a lock': (caller: Caller) =>
      parts.superuser.query("update identity.users set status = 'suspended' where id = $1", [
        caller.id,
      ]),
    'another role': (caller: Caller) =>
      parts.superuser.query("update identity.users set type = 'customer' where id = $1", [
        caller.id,
      ]),
  };
  for (const [name, end] of Object.entries(endings)) {
    const caller = await parts.signIn('admin');
    const line = await connect(`${url}/api/audit/stream`, caller);
    await sleep(700);
    await end(caller);
    const ended = performance.now();
    await Promise.race([line.ended, sleep(5_000)]);
    t.ok(
      performance.now() - ended < timeBound(1_000, 4_000),
      `${name}: after ${Math.round(performance.now() - ended)} ms`,
    );
    t.match(line.text(), /event: end\ndata: {"reason":"token_revoked",.*}\n\n$/);
    const before = line.text().length;
    await storeSealed(parts.db, [{}]);
    await sleep(200);
    t.equal(line.text().length, before);
  }
});

test('a stream ends when the token that opened it expires', async (t) => {
  const parts = await build(t, {}, 2);
  const { url } = await serve(t, parts.server);
  const line = await connect(`${url}/api/audit/stream`, await parts.signIn());
  const began = performance.now();
  await line.ended;
  t.ok(performance.now() - began < timeBound(3_000));
  t.match(line.text(), /event: end\ndata: {"reason":"token_expired",.*}\n\n$/);
});

test('streams are limited per reader and per replica, and a closed one makes room', async (t) => {
  const parts = await build(t, { STREAM_MAX: '3', STREAM_MAX_PER_READER: '2' });
  const { url } = await serve(t, parts.server);
  const [ada, bob] = [await parts.signIn(), await parts.signIn()];
  const lines = [
    await connect(`${url}/api/audit/stream`, ada),
    await connect(`${url}/api/audit/stream`, ada),
  ];
  const third = await connect(`${url}/api/audit/stream`, ada);
  t.equal(third.response.statusCode, 429);
  t.match(third.response.headers['retry-after'], /^\d+$/);
  await third.ended;
  t.match(JSON.parse(third.text()), { code: 'too_many_streams' });
  lines.push(await connect(`${url}/api/audit/stream`, bob));
  const fourth = await connect(`${url}/api/audit/stream`, bob);
  t.equal(fourth.response.statusCode, 503);
  await fourth.ended;
  t.match(JSON.parse(fourth.text()), { code: 'stream_capacity' });
  lines[0]?.close();
  await until(
    async () => (await connect(`${url}/api/audit/stream`, ada)).response.statusCode === 200,
  );
});

test('a position that no stream has sent, or a malformed one, is a 400', async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  await storeSealed(parts.db, [{}]);
  const get = (query: string, headers: Record<string, string> = {}) =>
    parts.server.http.app.inject({
      url: `/api/audit/stream${query}`,
      headers: { authorization: `Bearer ${ada.token}`, ...headers },
    });
  for (const query of [
    '?after=x',
    '?after=-2',
    '?after=1.5',
    '?after=01',
    '?after=',
    '?after=9999999999999999',
    '?action=lower',
    '?limit=1',
    '?scope=all',
    '?after=1&after=2',
    '?resource=%00',
  ]) {
    t.match(
      (await get(query)).json(),
      { status: 400, code: /^(validation_failed|malformed_text)$/ },
      query,
    );
  }
  t.match((await get('?ip=nowhere')).json(), { status: 400, code: 'filter_invalid' });
  t.match(
    (await get('?after=1')).json(),
    { status: 400, code: 'cursor_invalid' },
    'ahead of the log',
  );
  for (const id of ['1', 'x', '-2', '0x0', ' 1 2', '1'.repeat(20)])
    t.match(
      (await get('?after=0', { 'last-event-id': id })).json(),
      { status: 400, code: 'cursor_invalid' },
      id,
    );
  t.equal((await get('', { 'last-event-id': '1'.repeat(21) })).statusCode, 400);
  t.equal((await parts.get('/api/audit/stream')).statusCode, 401);
  t.equal(
    (
      await parts.server.http.app.inject({
        method: 'HEAD',
        url: '/api/audit/stream',
        headers: { authorization: `Bearer ${ada.token}` },
      })
    ).statusCode,
    405,
  );
});

test('a replica that stops ends its streams at once', async (t) => {
  const parts = await build(t);
  const { url } = await serve(t, parts.server);
  const line = await connect(`${url}/api/audit/stream`, await parts.signIn());
  const began = performance.now();
  await Promise.all([parts.server.http.app.close(), line.ended]);
  t.ok(performance.now() - began < timeBound(1_500), `${Math.round(performance.now() - began)} ms`);
  t.match(line.text(), /event: end\ndata: {"reason":"shutting_down",.*}\n\n$/);
});
