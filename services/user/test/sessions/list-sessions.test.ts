import { test } from 'tap';
import { build, PASSWORD, type SignedIn, type TestServer } from '../build.ts';

const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) ' +
  'AppleWebKit/605.1.15 (KHTML, like Gecko) ' +
  'Version/17.1 Mobile/15E148 Safari/604.1';
interface Page {
  data: { id: string }[];
  next_cursor: string | null;
}

const ABSENT = '01890000-0000-7000-8000-000000000000';

const login = async (
  { call }: TestServer,
  userAgent = 'tap',
  email = 'ada@example.com',
): Promise<SignedIn> =>
  (
    await call('POST', '/login', {
      body: { email, password: PASSWORD },
      headers: { 'user-agent': userAgent },
    })
  ).json<SignedIn>();

test('sessions are listed newest first, with device, address and the current one', async (t) => {
  const server = await build(t);
  const first = await server.register();
  const second = await login(server, IPHONE);
  const answer = await server.call('GET', '/api/auth/sessions', { token: first.token });
  t.equal(answer.statusCode, 200, answer.body);
  t.match(answer.json(), {
    data: [
      {
        id: second.session_id,
        user_agent: IPHONE,
        ip: '127.0.0.1',
        client: { browser: 'Safari 17', os: 'iOS 17.1', device: 'mobile (iPhone)' },
        current: false,
      },
      {
        id: first.session_id,
        user_agent: 'tap',
        client: { browser: 'tap', os: null, device: null },
        current: true,
      },
    ],
    next_cursor: null,
  });
  t.strictSame(
    Object.keys(answer.json().data[0]),
    ['id', 'created', 'last_seen', 'expires_at', 'ip', 'user_agent', 'client', 'current'],
    'and nothing else of the row',
  );
});

test('fifty sessions are listed in pages, each once', async (t) => {
  const server = await build(t);
  const { token, user } = await server.register();
  await server.register('eve@example.com');
  await server.rows(
    `
    insert into identity.sessions (id, user_id, expires_at, idle_timeout, revoked_at, last_seen)
    select uuidv7(), $1, now() + interval '1 day', interval '1 hour',
       case when n = 50 then now() end,
       now() - case when n = 51 then interval '2 hours' else '0' end
    from generate_series(1, 51) n`,
    [user.id],
  );
  const seen: string[] = [];
  let path: string | null = '/api/auth/sessions?limit=7';
  let pages = 0;
  while (path !== null && pages < 20) {
    const { data, next_cursor }: Page = (await server.call('GET', path, { token })).json<Page>();
    seen.push(...data.map(({ id }) => id));
    pages += 1;
    path = next_cursor === null ? null : `/api/auth/sessions?limit=7&cursor=${next_cursor}`;
  }
  t.equal(pages, 8);
  const live = await server.rows<{ id: string }>(
    `
    select id from identity.sessions where user_id = $1 and revoked_at is null
       and last_seen > now() - interval '1 hour' order by id desc`,
    [user.id],
  );
  t.equal(live.length, 50);
  t.strictSame(
    seen,
    live.map(({ id }) => id),
  );
});

test('what is not a page of this list is refused', async (t) => {
  const server = await build(t);
  const { token } = await server.register();
  const refused: [string, string][] = [
    ['cursor=x', 'cursor_invalid'],
    [`cursor=${'A'.repeat(101)}`, 'validation_failed'],
    ['limit=0', 'validation_failed'],
    ['limit=201', 'validation_failed'],
    ['user_id=x', 'validation_failed'],
  ];
  for (const [query, code] of refused) {
    t.match(
      (await server.call('GET', `/api/auth/sessions?${query}`, { token })).json(),
      { status: 400, code },
      query,
    );
  }
});

test('a long or malformed user agent is stored as 512 well-formed bytes', async (t) => {
  const server = await build(t);
  const { token } = await server.register();
  await login(server, 'Mozilla/5.0 (\u00e9' + '\u00e9'.repeat(4_000));
  const [longest] = await server.rows<{ bytes: number; user_agent: string }>(
    `select octet_length(user_agent) as bytes, user_agent from identity.sessions
     order by id desc limit 1`,
  );
  t.ok(longest && longest.bytes <= 512 && longest.bytes > 500, `${longest?.bytes} bytes`);
  t.equal(
    (await server.call('GET', '/api/auth/sessions', { token })).json().data[0].user_agent,
    longest?.user_agent,
  );
});

test('ending a foreign, absent or ended session changes nothing', async (t) => {
  const server = await build(t);
  const mine = await server.register();
  const phone = await login(server, IPHONE);
  const other = await server.register('eve@example.com');
  t.equal(
    (await server.call('DELETE', `/api/auth/sessions/${phone.session_id}`, { token: mine.token }))
      .statusCode,
    204,
  );
  t.equal((await server.call('GET', '/api/users/me', { token: phone.token })).statusCode, 401);
  t.equal(
    (
      await server.call('POST', '/api/auth/refresh', {
        body: { refresh_token: phone.refresh_token },
      })
    ).json().code,
    'refresh_token_invalid',
  );
  const refusals = await Promise.all(
    [other.session_id, ABSENT, phone.session_id].map(async (id) => {
      const { request_id: _, ...problem } = (
        await server.call('DELETE', `/api/auth/sessions/${id}`, { token: mine.token })
      ).json();
      return problem;
    }),
  );
  t.match(refusals[0], { status: 404, code: 'session_not_found' });
  t.strictSame(refusals, [refusals[0], refusals[0], refusals[0]]);
  t.equal(
    (await server.call('DELETE', '/api/auth/sessions/1', { token: mine.token })).json().code,
    'validation_failed',
  );
  t.equal((await server.call('GET', '/api/users/me', { token: other.token })).statusCode, 200);
  t.strictSame(
    await server.rows(
      'select id, revoked_reason from identity.sessions where revoked_at is not null',
    ),
    [{ id: phone.session_id, revoked_reason: 'ended_by_user' }],
  );
  const ended = (await server.events()).filter((event) => event.action === 'SESSION_REVOKED');
  t.match(ended, [
    {
      outcome: 'success',
      user_id: mine.user.id,
      session_id: mine.session_id,
      resource: phone.session_id,
    },
  ]);
  t.equal(ended.length, 1);
});

test('all other sessions are ended at once, and the answer has their number', async (t) => {
  const server = await build(t);
  const mine = await server.register();
  const others = [await login(server), await login(server), await login(server)];
  const stranger = await server.register('eve@example.com');
  t.strictSame((await server.call('DELETE', '/api/auth/sessions', { token: mine.token })).json(), {
    ended: 3,
  });
  for (const { token } of others)
    t.equal((await server.call('GET', '/api/users/me', { token })).statusCode, 401);
  for (const { token } of [mine, stranger])
    t.equal((await server.call('GET', '/api/users/me', { token })).statusCode, 200);
  t.strictSame((await server.call('DELETE', '/api/auth/sessions', { token: mine.token })).json(), {
    ended: 0,
  });
  t.match(
    (await server.events())
      .filter((event) => event.action === 'SESSION_REVOKED')
      .map((event) => event.metadata),
    [{ sessions_ended: 3 }, { sessions_ended: 0 }],
  );
});

test('of sessions that end each other at once, exactly one stays', async (t) => {
  const server = await build(t);
  const sessions = [
    await server.register(),
    await login(server),
    await login(server),
    await login(server),
  ];
  const answers = await Promise.all(
    sessions.map(({ token }) => server.call('DELETE', '/api/auth/sessions', { token })),
  );
  t.strictSame(
    answers.map((answer) => answer.statusCode).toSorted((a, b) => a - b),
    [200, 401, 401, 401],
    answers.map((answer) => answer.body).join(),
  );
  t.equal(
    (await server.rows('select 1 from identity.sessions where revoked_at is null')).length,
    1,
  );
});
