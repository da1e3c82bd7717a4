import type { LightMyRequestResponse } from 'fastify';
import { test } from 'tap';
import { build, PASSWORD, type TestServer } from '../build.ts';

const ORIGIN = 'http://localhost:8080';
const credentials = { email: 'ada@example.com', password: PASSWORD };

/** The cookies that a browser would send after this answer. */
const jar = (answer: LightMyRequestResponse): Record<string, string> =>
  Object.fromEntries(answer.cookies.map(({ name, value }) => [name, value]));
const header = (cookies: Record<string, string>, ...names: string[]): string =>
  Object.entries(cookies)
    .filter(([name]) => names.length === 0 || names.includes(name))
    .map(([name, value]) => `${name}=${value}`)
    .join('; ');

const signIn = async ({ call, register }: TestServer): Promise<Record<string, string>> => {
  await register();
  return jar(
    await call('POST', '/api/users/login?session=cookie', {
      body: credentials,
      headers: { origin: ORIGIN },
    }),
  );
};

test('in cookie mode tokens are in cookies only', async (t) => {
  const { call, register } = await build(t);
  await register();
  for (const answer of [
    await call('POST', '/api/users/login?session=cookie', { body: credentials }),
    await call('POST', '/signup?session=cookie', {
      body: { ...credentials, email: 'eve@example.com' },
    }),
  ]) {
    t.strictSame(Object.keys(answer.json()).toSorted(), ['expires_in', 'session_id', 'user']);
    t.match(answer.cookies, [
      {
        name: 'login_info',
        path: '/',
        secure: true,
        sameSite: 'Strict',
        maxAge: 900,
        httpOnly: undefined,
      },
      { name: 'secure', path: '/', secure: true, sameSite: 'Strict', maxAge: 900, httpOnly: true },
      {
        name: 'refresh_token',
        path: '/api/auth/refresh',
        secure: true,
        sameSite: 'Strict',
        maxAge: 14 * 86_400,
        httpOnly: true,
      },
    ]);
    t.ok(answer.cookies.every((cookie) => cookie.domain === undefined));
    t.match(JSON.parse(Buffer.from(jar(answer).login_info ?? '', 'base64url').toString()), {
      sid: answer.json().session_id,
      sub: answer.json().user.id,
    });
  }
  const plain = await call('POST', '/login', { body: credentials });
  t.strictSame(plain.cookies, [], 'none where nobody asked for them');
  t.equal(
    (await call('POST', '/login?session=sticky', { body: credentials })).json().code,
    'validation_failed',
  );
});

test('cookies authenticate and refresh, and the logout clears them', async (t) => {
  const server = await build(t);
  const { call } = server;
  const first = await signIn(server);
  const access = header(first, 'login_info', 'secure');
  t.equal(
    (await call('GET', '/api/users/me', { headers: { cookie: access } })).json().email,
    credentials.email,
  );
  t.equal(
    (
      await call('PATCH', '/api/users/me', {
        body: { name: 'Ada' },
        headers: { cookie: access, origin: ORIGIN },
      })
    ).statusCode,
    200,
  );

  const refreshed = await call('POST', '/api/auth/refresh', {
    headers: { cookie: header(first, 'refresh_token'), origin: ORIGIN },
  });
  t.equal(refreshed.statusCode, 200, refreshed.body);
  t.strictSame(Object.keys(refreshed.json()).toSorted(), ['expires_in', 'session_id']);
  const second = jar(refreshed);
  t.not(second.refresh_token, first.refresh_token);
  t.equal(
    (
      await call('GET', '/api/users/me', {
        headers: { cookie: header(second, 'login_info', 'secure') },
      })
    ).statusCode,
    200,
  );

  const out = await call('POST', '/api/auth/logout', {
    headers: { cookie: header(second, 'login_info', 'secure'), origin: ORIGIN },
  });
  t.equal(out.statusCode, 204);
  t.match(out.cookies, [
    { name: 'login_info', value: '', path: '/', expires: new Date(0) },
    { name: 'secure', value: '', path: '/', expires: new Date(0) },
    { name: 'refresh_token', value: '', path: '/api/auth/refresh', expires: new Date(0) },
  ]);
  t.equal(
    (
      await call('GET', '/api/users/me', {
        headers: { cookie: header(second, 'login_info', 'secure') },
      })
    ).statusCode,
    401,
  );
  t.equal(
    (
      await call('POST', '/api/auth/refresh', {
        headers: { cookie: header(second, 'refresh_token'), origin: ORIGIN },
      })
    ).statusCode,
    401,
  );
});

test('a page of another origin changes nothing by cookies, with an event', async (t) => {
  const server = await build(t);
  const { call, rows, events } = server;
  const cookies = await signIn(server);
  const access = header(cookies, 'login_info', 'secure');
  const before = await rows(
    `select revoked_at from identity.sessions
     union all select spent_at from identity.refresh_tokens`,
  );
  const evil = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
  const attacks: [string, 'POST' | 'PATCH' | 'DELETE', object?][] = [
    ['/api/users/me', 'PATCH', { name: 'Eve' }],
    [
      '/api/users/me/password',
      'POST',
      { current_password: PASSWORD, new_password: 'of the attacker' },
    ],
    ['/api/users/me', 'DELETE', { password: PASSWORD }],
    ['/api/auth/logout', 'POST'],
    ['/api/auth/sessions', 'DELETE'],
  ];
  for (const headers of [evil, {}]) {
    for (const [url, method, body] of attacks) {
      t.match(
        (
          await call(method, url, {
            ...(body && { body }),
            headers: { cookie: access, ...headers },
          })
        ).json(),
        { status: 403, code: 'origin_refused' },
        `${method} ${url}`,
      );
    }
    t.match(
      (
        await call('POST', '/api/auth/refresh', {
          headers: { cookie: header(cookies, 'refresh_token'), ...headers },
        })
      ).json(),
      { code: 'origin_refused' },
    );
  }
  t.strictSame(
    await rows(
      `select revoked_at from identity.sessions
     union all select spent_at from identity.refresh_tokens`,
    ),
    before,
  );
  t.strictSame(await rows('select name from identity.users'), [{ name: null }]);
  const denied = (await events()).filter((event) => event.action === 'ACCESS_DENIED');
  t.equal(denied.length, 2 * attacks.length);
  t.match(denied[0], {
    outcome: 'failure',
    user_id: /./,
    metadata: { reason: 'origin', operation: 'account.update_profile' },
  });
});

test('no page of another origin can log its visitor in', async (t) => {
  const server = await build(t);
  const { refresh_token } = await server.register();
  const attempts: [string, object][] = [
    ['/api/users/login?session=cookie', credentials],
    ['/api/users/register?session=cookie', { ...credentials, email: 'eve@example.com' }],
    ['/api/auth/refresh?session=cookie', { refresh_token }],
    ['/api/v1/auth/login', credentials],
    [
      '/api/v1/auth/register',
      { email: 'eve@example.com', password: PASSWORD, firstname: 'E', lastname: 'Ve' },
    ],
  ];
  for (const headers of [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
  ]) {
    for (const [url, body] of attempts) {
      const answer = await server.call('POST', url, { body, headers });
      t.equal(answer.statusCode, 403, url);
      t.strictSame(answer.cookies, []);
    }
  }
  t.equal((await server.rows('select 1 from identity.sessions')).length, 1);
  t.strictSame(
    await server.rows('select 1 from identity.refresh_tokens where spent_at is not null'),
    [],
  );
});

test('two refresh tokens in one request are refused, and none is spent', async (t) => {
  const server = await build(t);
  const cookies = await signIn(server);
  const cookie = header(cookies, 'refresh_token');
  const cases = [
    { headers: { cookie: `${cookie}; ${cookie}`, origin: ORIGIN } },
    { headers: { cookie, origin: ORIGIN }, body: { refresh_token: cookies.refresh_token } },
    { headers: { cookie, origin: ORIGIN, authorization: 'Bearer x' } },
  ];
  for (const options of cases)
    t.match((await server.call('POST', '/api/auth/refresh', options)).json(), {
      status: 400,
      code: 'credentials_ambiguous',
    });
  for (const headers of [
    { cookie: 'refresh_token=x', origin: ORIGIN },
    { cookie: `refresh_token=${'A'.repeat(5_000)}`, origin: ORIGIN },
    {},
  ]) {
    const answer = await server.call('POST', '/api/auth/refresh', { headers });
    t.match(answer.json(), { status: 401, code: 'refresh_token_invalid' });
  }
  t.strictSame(
    await server.rows('select 1 from identity.refresh_tokens where spent_at is not null'),
    [],
  );
});

test('a session or cookie from before the login is never taken over', async (t) => {
  const server = await build(t);
  const { call } = server;
  const attacker = jar(
    await call('POST', '/api/users/register?session=cookie', {
      body: { ...credentials, email: 'eve@example.com' },
    }),
  );
  const planted = header(attacker);
  await server.register();
  const victim = await call('POST', '/api/users/login?session=cookie', {
    body: credentials,
    headers: { cookie: planted, origin: ORIGIN },
  });
  t.equal(victim.statusCode, 200);
  for (const name of ['login_info', 'secure', 'refresh_token'])
    t.not(jar(victim)[name], attacker[name], name);
  t.equal(
    (
      await call('GET', '/api/users/me', {
        headers: { cookie: header(attacker, 'login_info', 'secure') },
      })
    ).statusCode,
    401,
    "the planted one is nobody's",
  );
  t.equal((await server.rows('select 1 from identity.sessions')).length, 3);
  const chosen = await call('POST', '/login', {
    body: { ...credentials, session_id: '01890000-0000-7000-8000-000000000000' },
  });
  t.equal(chosen.json().code, 'validation_failed', 'and no id can be asked for');
});

test("a login ends the browser's earlier session and no other", async (t) => {
  const server = await build(t);
  const other = await server.replica();
  const { call } = server;
  const elsewhere = await server.register();
  const enter = async (path: string, cookie: string, body: object = credentials) => {
    const answer = await call('POST', path, { body, headers: { cookie, origin: ORIGIN } });
    t.ok(answer.statusCode < 300, answer.body);
    return {
      cookie: header(jar(answer), 'login_info', 'secure'),
      id: answer.json().session_id ?? answer.json().sessionData.clientId,
    };
  };
  const status = async (cookie: string) =>
    (await call('GET', '/api/users/me', { headers: { cookie } })).statusCode;
  const first = await enter('/api/users/login?session=cookie', '');
  const second = await enter('/api/v1/auth/login', first.cookie);
  t.equal(await status(first.cookie), 401);
  t.equal(await status(second.cookie), 200);
  const third = await enter('/api/users/register?session=cookie', second.cookie, {
    ...credentials,
    email: 'eve@example.com',
  });
  const last = await enter('/api/v1/auth/register', third.cookie, {
    email: 'bob@example.com',
    password: PASSWORD,
    firstname: 'Bob',
    lastname: 'B',
  });
  for (const ended of [first, second, third]) t.equal(await status(ended.cookie), 401);
  for (
    let attempts = 0;
    (await other.call('GET', '/api/users/me', { headers: { cookie: third.cookie } })).statusCode !==
    401;
    attempts += 1
  )
    t.ok(attempts < 100, 'on the other replica too');
  t.equal(
    (await call('GET', '/api/users/me', { token: elsewhere.token })).statusCode,
    200,
    'a session elsewhere stays',
  );

  // What signs nobody in, or was not sent as a session, ends none.
  await call('POST', '/login', { body: credentials, headers: { cookie: last.cookie } });
  await call('POST', '/api/users/login?session=cookie', {
    body: { ...credentials, password: 'not the password' },
    headers: { cookie: last.cookie, origin: ORIGIN },
  });
  await enter('/api/users/login?session=cookie', `${last.cookie}; secure=x`);
  await enter('/api/users/login?session=cookie', 'login_info=x; secure=y');
  t.equal(await status(last.cookie), 200);
  const ended = (await server.events()).filter(({ action }) => action === 'SESSION_REVOKED');
  t.match(
    ended,
    [first, second, third].map(({ id }) => ({
      resource: id,
      session_id: id,
      outcome: 'success',
      metadata: { reason: 'signed_in_again' },
    })),
  );
  t.equal(ended.length, 3);
});

test("a password change sends the new session's tokens as the old one's", async (t) => {
  const server = await build(t);
  const cookies = await signIn(server);
  const changed = await server.call('POST', '/api/users/me/password', {
    body: { current_password: PASSWORD, new_password: 'a second horse battery' },
    headers: { cookie: header(cookies, 'login_info', 'secure'), origin: ORIGIN },
  });
  t.equal(changed.statusCode, 200, changed.body);
  t.notOk('token' in changed.json() || 'refresh_token' in changed.json());
  t.equal(
    (
      await server.call('GET', '/api/users/me', {
        headers: { cookie: header(jar(changed), 'login_info', 'secure') },
      })
    ).statusCode,
    200,
  );
});

test('with the host prefix all three cookies belong to this host only', async (t) => {
  const server = await build(t, { COOKIE_HOST_PREFIX: 'true' });
  await server.register();
  const answer = await server.call('POST', '/login?session=cookie', { body: credentials });
  t.match(
    answer.cookies,
    ['login_info', 'secure', 'refresh_token'].map((name) => ({
      name: `__Host-${name}`,
      path: '/',
      secure: true,
    })),
  );
  t.equal(
    (await server.call('GET', '/api/users/me', { headers: { cookie: header(jar(answer)) } }))
      .statusCode,
    200,
  );
  t.equal(
    (
      await server.call('POST', '/api/auth/refresh', {
        headers: { cookie: header(jar(answer)), origin: ORIGIN },
      })
    ).statusCode,
    200,
  );
});
