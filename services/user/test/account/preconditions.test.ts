import { test, type Test } from 'tap';
import { build, PASSWORD, type SignedIn, type TestServer } from '../build.ts';

type Headers = Record<string, string>;
type Method = 'POST' | 'PATCH' | 'DELETE';

const LONG_AGO = 'Thu, 01 Jan 1970 00:00:00 GMT';
const UNMET: Headers[] = [{ 'if-match': '"zzz"' }, { 'if-none-match': '*' }];
const UNMET_BY_DATE: Headers = { 'if-unmodified-since': LONG_AGO };
/** Of a path that only takes POST there is no state that a tag could name. */
const UNMET_ACTION: Headers[] = [{ 'if-match': '"zzz"' }, { 'if-match': '*' }];

const TABLES = ['users', 'sessions', 'refresh_tokens', 'api_tokens', 'recovery_requests', 'outbox'];

/** All that a change could have touched, but for when a session was last seen. */
async function state({ rows }: TestServer): Promise<unknown> {
  const tables = TABLES.map((table) =>
    rows(`select to_jsonb(t) - 'last_seen' as row from identity.${table} t order by 1`),
  );
  return Promise.all(tables);
}

async function isRefused(
  t: Test,
  server: TestServer,
  {
    method,
    url,
    body,
    token,
    unmet,
  }: { method: Method; url: string; body?: object; token?: string; unmet: Headers[] },
): Promise<void> {
  const before = await state(server);
  for (const headers of unmet) {
    const answer = await server.call(method, url, {
      headers,
      ...(body && { body }),
      ...(token !== undefined && { token }),
    });
    const name = `${method} ${url} ${JSON.stringify(headers)}`;
    t.strictSame([answer.statusCode, answer.json().code], [412, 'precondition_failed'], name);
  }
  t.strictSame(await state(server), before, `${method} ${url} changes nothing`);
}

test('a change of the account under an unmet condition is 412 and changes nothing', async (t) => {
  const server = await build(t);
  const { token } = await server.register();
  const url = '/api/users/me';
  const unmet = [...UNMET, UNMET_BY_DATE];
  await isRefused(t, server, { method: 'PATCH', url, body: { name: 'Ada' }, token, unmet });
  await isRefused(t, server, { method: 'DELETE', url, body: { password: PASSWORD }, token, unmet });
});

test('the profile is changed by the tag that its reader was shown, and once', async (t) => {
  const { call, register } = await build(t);
  const { token } = await register();
  const { headers: shown } = await call('GET', '/api/users/me', { token });
  t.match(shown, { etag: /^"[\w-]{22}"$/, 'last-modified': / GMT$/ });
  const rename = (name: string, etag: unknown) =>
    call('PATCH', '/api/users/me', {
      token,
      body: { name },
      headers: { 'if-match': String(etag) },
    });
  const answers = await Promise.all(['Ada', 'Eve', 'Bob'].map((name) => rename(name, shown.etag)));
  t.strictSame(
    answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b),
    [200, 412, 412],
  );
  const changed = answers.find(({ statusCode }) => statusCode === 200);
  const again = await call('GET', '/api/users/me', { token });
  t.equal(changed?.headers.etag, again.headers.etag);
  t.equal((await rename('Cleo', again.headers.etag)).statusCode, 200);
});

test('a profile that its reader has is 304', async (t) => {
  const { call, register } = await build(t);
  const { token } = await register();
  const { headers: shown } = await call('GET', '/api/users/me', { token });
  const headers = { 'if-none-match': String(shown.etag) };
  t.equal((await call('GET', '/api/users/me', { token, headers })).statusCode, 304);
});

test('sessions and tokens do not end under an unmet condition', async (t) => {
  const server = await build(t);
  const { token, session_id: session } = await server.register();
  const created = await server.call('POST', '/api/auth/tokens', {
    token,
    body: { name: 'probe', scopes: ['profile:read'] },
  });
  const unmet = [...UNMET, UNMET_BY_DATE];
  for (const [method, url] of [
    ['DELETE', `/api/auth/sessions/${session}`],
    ['DELETE', `/api/auth/tokens/${created.json().id}`],
  ] as const)
    await isRefused(t, server, { method, url, token, unmet });
  await isRefused(t, server, { method: 'DELETE', url: '/api/auth/sessions', token, unmet: UNMET });
  const headers = { 'if-match': '*' };
  const ended = await server.call('DELETE', `/api/auth/sessions/${session}`, { token, headers });
  t.equal(ended.statusCode, 204);
});

test('seed 004 ends no session under an unmet condition', async (t) => {
  const server = await build(t);
  const { token, session_id: session } = await server.register();
  const before = await state(server);
  for (const headers of [...UNMET, UNMET_BY_DATE]) {
    const url = `/api/v1/auth/user/logout/${session}`;
    const answer = await server.call('POST', url, { token, headers });
    t.strictSame([answer.statusCode, answer.json().success], [412, false]);
  }
  t.strictSame(await state(server), before);
});

test('an absent session is 404 under any condition', async (t) => {
  const { call, register } = await build(t);
  const { token } = await register();
  const url = '/api/auth/sessions/01890000-0000-7000-8000-000000000000';
  for (const headers of [...UNMET, UNMET_BY_DATE])
    t.equal((await call('DELETE', url, { token, headers })).statusCode, 404);
});

/** The actions of a signed-in or anonymous caller, with bodies that they would accept. */
const actions = ({ refresh_token, user: { email } }: SignedIn): Record<string, object> => ({
  '/api/users/register': { email: 'eve@example.com', password: PASSWORD },
  '/api/users/login': { email, password: PASSWORD },
  '/api/auth/refresh': { refresh_token },
  '/api/auth/logout': {},
  '/api/auth/forgot-password': { email },
  '/api/users/me/password': { current_password: PASSWORD, new_password: 'another good one' },
});

test('an action under a condition that names a state is 412 and does nothing', async (t) => {
  const server = await build(t);
  const signedIn = await server.register();
  const { token } = signedIn;
  for (const [url, body] of Object.entries(actions(signedIn)))
    await isRefused(t, server, { method: 'POST', url, body, token, unmet: UNMET_ACTION });
});
