import { test, type Test } from 'tap';
import { build as buildServer, type SignedIn, type TestServer } from '../build.ts';

const DENIED = '/api/users/service-accounts';

/** A server with limits, which trusts the address that the test's gateway states. */
const build = (t: Test, rules: string): Promise<TestServer> =>
  buildServer(t, { LIMITS: 'on', LIMIT_RULES: rules });

const get = (server: TestServer, url: string, token?: string, ip = '192.0.2.1') =>
  server.call('GET', url, { ...(token && { token }), headers: { 'x-forwarded-for': ip } });

async function statusesOf(count: number, call: () => ReturnType<typeof get>): Promise<number[]> {
  const statuses: number[] = [];
  for (let n = 0; n < count; n += 1) statuses.push((await call()).statusCode);
  return statuses;
}

const denials = async (server: TestServer) =>
  (await server.events()).filter(({ action }) => action === 'ACCESS_DENIED');

async function makeToken(
  server: TestServer,
  { token }: SignedIn,
  body: { scopes: string[]; allowed_ips?: string[] },
): Promise<string> {
  const made = await server.call('POST', '/api/auth/tokens', {
    token,
    body: { name: 'a service', ...body },
  });
  return made.json<{ token: string }>().token;
}

test('refusals of a caller end in 429 with one more event, and allowed requests go on', async (t) => {
  const server = await build(t, 'denials=3/3600');
  const ada = await server.register();
  t.strictSame(
    await statusesOf(8, () => get(server, DENIED, ada.token)),
    [403, 403, 403, 429, 429, 429, 429, 429],
  );
  t.match(await denials(server), [
    { error: null, metadata: { reason: 'role' } },
    { error: null },
    { error: null },
    { error: 'rate_limited', user_id: ada.user.id, metadata: { reason: 'role' } },
  ]);
  t.equal((await denials(server)).length, 4);
  t.equal((await get(server, '/api/users/me', ada.token)).statusCode, 200);
});

test('refusals by a handler are counted with those by the route', async (t) => {
  const server = await build(t, 'denials=2/3600');
  const [ada, bob] = [await server.register(), await server.register('bob@example.com')];
  const url = `/api/auth/tokens?user_id=${bob.user.id}`;
  t.equal((await get(server, DENIED, ada.token)).statusCode, 403);
  t.strictSame(await statusesOf(4, () => get(server, url, ada.token)), [403, 429, 429, 429]);
  t.equal((await denials(server)).length, 3);
});

test("a refused request counts as one of the caller's requests", async (t) => {
  const server = await build(t, 'requests=5/3600');
  const ada = await server.register();
  const answers = await statusesOf(9, () => get(server, DENIED, ada.token));
  t.strictSame(answers, [403, 403, 403, 403, 403, 429, 429, 429, 429]);
  t.equal((await get(server, '/api/users/me', ada.token)).statusCode, 429);
  const events = await denials(server);
  t.equal(events.length, 6);
  t.match(events.at(-1), {
    error: 'rate_limited',
    metadata: { reason: 'limit', limit: 'requests' },
  });
});

test('a flood of allowed requests leaves one event in its window, over all replicas', async (t) => {
  const server = await build(t, 'requests=4/3600');
  const other = await server.replica();
  const ada = await server.register();
  for (const replica of [server, other, server, other])
    await statusesOf(4, () => get(replica, '/api/users/me', ada.token));
  t.match(await denials(server), [
    { error: 'rate_limited', metadata: { reason: 'limit', operation: 'account.get_profile' } },
  ]);
  t.equal((await denials(server)).length, 1);
});

test('missing and unknown credentials are counted by network, apart from sign-ins', async (t) => {
  const server = await build(t, 'rejected_network=4/3600');
  const ada = await server.register();
  const [me, ip] = ['/api/users/me', '192.0.2.7'];
  t.strictSame(await statusesOf(2, () => get(server, me, undefined, ip)), [401, 401]);
  t.strictSame(await statusesOf(4, () => get(server, me, 'mun_x', ip)), [401, 401, 429, 429]);
  t.equal((await get(server, me, 'mun_x', '192.0.2.8')).statusCode, 401, 'another network');
  t.equal((await get(server, me, ada.token, ip)).statusCode, 200, 'a valid token there');
  t.strictSame(await denials(server), [], 'nobody is named by them');
});

test('a bound token elsewhere is answered as an unknown one, also past all limits', async (t) => {
  const server = await build(t, 'denials=2/3600,rejected_network=6/3600');
  const ada = await server.register();
  const bound = await makeToken(server, ada, {
    scopes: ['profile:read'],
    allowed_ips: ['198.51.100.1'],
  });
  const answersTo = async (token: string, ip: string) => {
    const answers = [];
    for (let n = 0; n < 9; n += 1) {
      const { statusCode, headers, body } = await get(server, '/api/users/me', token, ip);
      const { date, ratelimit, 'retry-after': retryAfter, ...others } = headers;
      t.ok(date);
      t.equal(ratelimit?.toString().includes('rejected_network') ?? false, statusCode === 429);
      t.equal(retryAfter !== undefined, statusCode === 429);
      answers.push([statusCode, others, body.replace(/"request_id":"\w+"/, '')]);
    }
    return answers;
  };
  const elsewhere = await answersTo(bound, '203.0.113.1');
  t.strictSame(elsewhere, await answersTo(`mun_${'x'.repeat(43)}`, '203.0.113.2'));
  t.strictSame(
    elsewhere.map(([status]) => status),
    [401, 401, 401, 401, 401, 401, 429, 429, 429],
  );
  t.match(await denials(server), [
    { error: null, metadata: { reason: 'address' } },
    { error: null, metadata: { reason: 'address' } },
    { error: 'rate_limited', user_id: ada.user.id, metadata: { reason: 'address' } },
  ]);
  t.equal((await denials(server)).length, 3);
  t.equal((await get(server, '/api/users/me', bound, '198.51.100.1')).statusCode, 200);
});

test('refusals for one reason do not hide those for another', async (t) => {
  const server = await build(t, 'denials=1/3600');
  const ada = await server.register();
  const token = await makeToken(server, ada, { scopes: ['files:read'] });
  t.strictSame(await statusesOf(3, () => get(server, DENIED, ada.token)), [403, 429, 429]);
  t.strictSame(await statusesOf(2, () => get(server, '/api/users/me', token)), [403, 429]);
  t.strictSame(
    (await denials(server)).map(({ metadata, error }) => [metadata.reason, error]),
    [
      ['role', null],
      ['role', 'rate_limited'],
      ['scope', null],
      ['scope', 'rate_limited'],
    ],
  );
});

test('unknown paths are counted', async (t) => {
  const server = await build(t, 'requests=3/3600');
  t.strictSame(await statusesOf(5, () => get(server, '/nothing')), [404, 404, 404, 429, 429]);
});
