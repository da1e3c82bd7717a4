import { test } from 'tap';
import { build, PASSWORD } from '../build.ts';

const ORIGIN = 'http://localhost:8080';
const EMPTY_JSON = { 'content-type': 'application/json' };

test('a refused login and a refused refresh say how to authenticate', async (t) => {
  const { call, register } = await build(t);
  await register();
  for (const [url, body] of [
    ['/api/users/login', { email: 'ada@example.com', password: 'wrong password' }],
    ['/login', { email: 'ada@example.com', password: 'wrong password' }],
    ['/api/v1/auth/login', { email: 'ada@example.com', password: 'wrong password' }],
    ['/api/auth/refresh', { refresh_token: 'none' }],
  ] as const) {
    const { statusCode, headers } = await call('POST', url, { body });
    t.equal(statusCode, 401, url);
    t.match(headers['www-authenticate'], /^Bearer realm=/, url);
  }
});

test('JSON of zero bytes is no body: of a logout, an end and a refresh by cookie', async (t) => {
  const { call, register } = await build(t);
  const { token, session_id: session } = await register();
  const other = await call('POST', '/api/users/login', {
    body: { email: 'ada@example.com', password: PASSWORD },
  });
  const login = await call('POST', '/api/users/login?session=cookie', {
    body: { email: 'ada@example.com', password: PASSWORD },
  });
  const cookie = login.cookies.map(({ name, value }) => `${name}=${value}`);
  const refreshed = await call('POST', '/api/auth/refresh', {
    headers: {
      ...EMPTY_JSON,
      cookie: cookie.find((pair) => pair.startsWith('refresh_token=')) ?? '',
      origin: ORIGIN,
    },
  });
  t.equal(refreshed.statusCode, 200, refreshed.body);
  const headers = EMPTY_JSON;
  const ended = await call('DELETE', `/api/auth/sessions/${session}`, {
    token: other.json().token,
    headers,
  });
  t.equal(ended.statusCode, 204, ended.body);
  const loggedOut = await call('POST', '/api/auth/logout', { token: other.json().token, headers });
  t.equal(loggedOut.statusCode, 204, loggedOut.body);
  t.equal((await call('GET', '/api/users/me', { token })).statusCode, 401);
});

test('a type that nobody may register with is refused by the types that one may', async (t) => {
  const { call } = await build(t);
  const answer = await call('POST', '/api/users/register', {
    body: { email: 'ada@example.com', password: PASSWORD, type: 'admin' },
  });
  t.match(answer.json(), {
    code: 'validation_failed',
    detail: 'body/type must be one of "customer", "vendor"',
  });
  t.equal(answer.json().errors.length, 1);
});
