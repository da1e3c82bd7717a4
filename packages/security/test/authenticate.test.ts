import { randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import Fastify, { type FastifyRequest } from 'fastify';
import { type Test, test } from 'tap';
import {
  authentication,
  type AuthenticationOptions,
  createRevocations,
  createSessionLookup,
  createViewerToken,
  hashViewerToken,
  type LiveSessionRow,
  principalOf,
  type Role,
  roleAllows,
} from '../src/index.ts';
import { audience, forgeries, issuer, keyPair, ringOf } from './forgery.ts';

const sessionExpiresAt = new Date(Date.now() + 86_400_000);
const expiresAt = Math.ceil(Date.now() / 1_000) + 900;

const build = async (
  t: Test,
  options: Pick<AuthenticationOptions, 'onDenied' | 'viewers'> = {},
) => {
  const pair = keyPair('key-1');
  const { keys } = ringOf([pair.row], t);
  await keys.refresh();
  const database = { up: true, rows: new Map<string, LiveSessionRow>(), statements: 0 };
  const revocations = createRevocations();
  revocations.confirmComplete(revocations.now());
  /** Time passes and no heart-beat comes. */
  const goStale = () =>
    revocations.confirmComplete({ monotonic: performance.now() - 751, wall: Date.now() - 751 });
  const sessions = createSessionLookup({
    revocations,
    isUnavailable: () => true,
    query: async (ids) => {
      database.statements++;
      if (!database.up) throw new Error('ECONNREFUSED');
      return ids.flatMap((id) => database.rows.get(id) ?? []);
    },
  });
  const app = Fastify();
  t.teardown(() => app.close());
  await app.register(authentication, {
    keys,
    sessions,
    revocations,
    issuer,
    audience,
    signing: { key: pair.signing, ttlSeconds: 900 },
    ...options,
  });
  app.get('/public', { config: { access: 'public' } }, async (request) => ({
    principal: request.principal,
  }));
  app.get('/profile', { config: { access: { permission: 'profile:read' } } }, async (request) =>
    principalOf(request),
  );
  app.post('/profile', { config: { access: { permission: 'profile:write' } } }, async (request) =>
    principalOf(request),
  );
  app.get(
    '/directory',
    { config: { access: { permission: 'directory:read' } } },
    async () => 'everyone',
  );
  app.get(
    '/trail',
    { config: { access: { permission: 'audit:read-own', viewer: true } } },
    async ({ principal, viewer }) => ({ principal: principal?.id, viewer: viewer?.tenantId }),
  );
  app.options('*', async () => '');

  const signIn = (role: Role) => {
    const userId = randomUUID();
    const sessionId = randomUUID();
    database.rows.set(sessionId, { session_id: sessionId, user_id: userId, role });
    return {
      userId,
      sessionId,
      ...app.accessTokens.issue({ userId, sessionId, role, sessionExpiresAt }),
    };
  };
  const call = (
    url: string,
    authorization?: string,
    method: 'GET' | 'POST' | 'HEAD' | 'OPTIONS' = 'GET',
  ) => app.inject({ method, url, headers: authorization === undefined ? {} : { authorization } });
  return { app, pair, keys, database, sessions, revocations, goStale, signIn, call };
};

test('a public route ignores credentials', async (t) => {
  const { call, database, signIn } = await build(t);
  t.same((await call('/public')).json(), { principal: null });
  t.equal((await call('/public', `Bearer ${signIn('admin').token}`)).statusCode, 200);
  t.equal((await call('/public', 'Bearer forged')).statusCode, 200);
  t.equal(database.statements, 0);
});

test('a signed-in caller is known to the handler', async (t) => {
  const { call, signIn } = await build(t);
  const { token, userId, sessionId, tokenId } = signIn('vendor');
  const response = await call('/profile', `Bearer ${token}`);
  t.equal(response.statusCode, 200);
  t.match(response.json(), { id: userId, role: 'vendor', sessionId, tokenId, keyId: 'key-1' });
  t.ok(
    Math.abs(Date.parse(response.json<{ expiresAt: string }>().expiresAt) - Date.now() - 900_000) <
      5_000,
    'and until when their token counts',
  );
  t.equal((await call('/profile', `bEARER   ${token}`)).statusCode, 200, 'the scheme in any case');
  t.equal((await call('/profile', `Bearer ${token}`, 'HEAD')).statusCode, 200);
});

test('no credentials: 401 with a bare challenge', async (t) => {
  const { call } = await build(t);
  for (const method of ['GET', 'HEAD'] as const) {
    const response = await call('/profile', undefined, method);
    t.equal(response.statusCode, 401);
    t.equal(response.headers['www-authenticate'], 'Bearer realm="muniment"');
  }
});

test('credentials of another form: 401 invalid_token', async (t) => {
  const { call, signIn } = await build(t);
  const { token } = signIn('admin');
  for (const authorization of [
    '',
    'Bearer',
    'Bearer ',
    token,
    `Basic ${token}`,
    `Bearer ${token} x`,
    `Bearer  ${token}, Bearer x`,
    `Bearer\t${token}`,
    `XBearer ${token}`,
    `Bearer ${'a'.repeat(10_000)}`,
    'Bearer ünï',
  ]) {
    const response = await call('/profile', authorization);
    t.equal(response.statusCode, 401, authorization.slice(0, 30));
    t.equal(response.headers['www-authenticate'], 'Bearer realm="muniment", error="invalid_token"');
    t.equal(response.json().code, 'UNAUTHENTICATED');
  }
});

test('every forgery gets the same 401 on every method', async (t) => {
  const { call, signIn, pair } = await build(t);
  const { token } = signIn('admin');
  const bodies = new Set<string>();
  for (const [name, forged] of Object.entries(forgeries('key-1', pair, token))) {
    for (const method of ['GET', 'POST'] as const) {
      const response = await call('/profile', `Bearer ${forged}`, method);
      t.equal(response.statusCode, 401, name);
      bodies.add(response.body);
    }
  }
  t.equal(bodies.size, 1);
});

test('a role without the permission: 403, told to onDenied with the caller', async (t) => {
  const denied: unknown[] = [];
  const { call, signIn } = await build(t, {
    onDenied: async (request: FastifyRequest, { permission }) => {
      denied.push([request.principal?.id, permission]);
    },
  });
  const customer = signIn('customer');
  const response = await call('/directory', `Bearer ${customer.token}`);
  t.equal(response.statusCode, 403);
  t.equal(response.json().code, 'PERMISSION_DENIED');
  t.same(denied, [[customer.userId, 'directory:read']]);
  t.equal((await call('/directory', `Bearer ${signIn('admin').token}`)).statusCode, 200);
  t.equal((await call('/directory')).statusCode, 401);
  t.equal(denied.length, 1, 'strangers are no one to record');
});

test('a refusal that cannot be recorded is still a refusal', async (t) => {
  const { call, signIn } = await build(t, {
    onDenied: () => Promise.reject(new Error('outbox is down')),
  });
  const response = await call('/directory', `Bearer ${signIn('customer').token}`);
  t.equal(response.statusCode, 500);
  t.notMatch(response.body, 'everyone');
});

test('with a fresh set no request queries the database', async (t) => {
  const { call, signIn, database } = await build(t);
  const authorization = `Bearer ${signIn('customer').token}`;
  for (const method of ['GET', 'POST', 'HEAD'] as const)
    t.equal((await call('/profile', authorization, method)).statusCode, 200);
  t.equal(database.statements, 0);
});

test('a session in the set is refused on every method', async (t) => {
  const { call, signIn, database, revocations } = await build(t);
  const { token, sessionId } = signIn('customer');
  const other = signIn('customer');
  t.equal((await call('/profile', `Bearer ${token}`)).statusCode, 200);
  revocations.add({ kind: 'session', id: sessionId, expiresAt });
  for (const method of ['GET', 'POST', 'HEAD'] as const) {
    t.equal((await call('/profile', `Bearer ${token}`, method)).statusCode, 401, method);
    t.equal((await call('/profile', `Bearer ${other.token}`, method)).statusCode, 200);
  }
  t.equal(database.statements, 0);
});

test('after a change of the user the role comes from one query', async (t) => {
  const { call, signIn, database, revocations } = await build(t);
  const admin = signIn('admin');
  const authorization = `Bearer ${admin.token}`;
  t.equal((await call('/directory', authorization)).statusCode, 200);
  const row = database.rows.get(admin.sessionId);
  if (row) row.role = 'customer';
  revocations.add({ kind: 'user', id: admin.userId, expiresAt });
  t.equal((await call('/directory', authorization)).statusCode, 403, 'demoted');
  for (let i = 0; i < 5; i++) t.equal((await call('/profile', authorization)).statusCode, 200);
  t.equal(database.statements, 1);
  if (row) row.role = 'admin';
  revocations.add({ kind: 'user', id: admin.userId, expiresAt });
  t.equal((await call('/directory', authorization)).statusCode, 200, 'and promoted again');
  t.equal(database.statements, 2);
  t.ok(roleAllows('admin', 'directory:read'));
});

test('a session of another user lends nothing once the database is asked', async (t) => {
  const { app, call, signIn, goStale } = await build(t);
  const admin = signIn('admin');
  const { token } = app.accessTokens.issue({
    userId: randomUUID(),
    sessionId: admin.sessionId,
    role: 'admin',
    sessionExpiresAt,
  });
  goStale();
  t.equal((await call('/profile', `Bearer ${token}`)).statusCode, 401);
});

test('while the set is stale the database decides, each time', async (t) => {
  const { call, signIn, database, goStale } = await build(t);
  const { token, sessionId } = signIn('customer');
  goStale();
  for (let i = 0; i < 3; i++) t.equal((await call('/profile', `Bearer ${token}`)).statusCode, 200);
  t.equal(database.statements, 3);
  database.rows.delete(sessionId);
  for (const method of ['GET', 'POST'] as const)
    t.equal((await call('/profile', `Bearer ${token}`, method)).statusCode, 401);
});

test('a stale set without a database answers 503', async (t) => {
  const { call, signIn, database, revocations, goStale } = await build(t);
  const { token } = signIn('admin');
  database.up = false;
  t.equal((await call('/profile', `Bearer ${token}`)).statusCode, 200);
  goStale();
  for (const method of ['GET', 'POST'] as const) {
    const response = await call('/profile', `Bearer ${token}`, method);
    t.equal(response.statusCode, 503);
    t.equal(response.json().code, 'DEPENDENCY_UNAVAILABLE');
  }
  revocations.confirmComplete(revocations.now());
  t.equal((await call('/profile', `Bearer ${token}`)).statusCode, 200);
});

test('tokens of a compromised key are refused', async (t) => {
  const { call, signIn, keys } = await build(t);
  const { token } = signIn('admin');
  t.equal((await call('/profile', `Bearer ${token}`)).statusCode, 200);
  keys.revoke('key-1');
  t.equal((await call('/profile', `Bearer ${token}`)).statusCode, 401);

  const second = await build(t);
  const again = second.signIn('admin');
  t.equal((await second.call('/profile', `Bearer ${again.token}`)).statusCode, 200);
  second.pair.row.status = 'compromised';
  t.equal(
    (await second.call('/profile', `Bearer ${again.token}`)).statusCode,
    200,
    'nobody has said so yet',
  );
  second.goStale();
  await sleep(510);
  t.equal((await second.call('/profile', `Bearer ${again.token}`)).statusCode, 401);
});

test('unknown paths and preflights need no credentials', async (t) => {
  const { call } = await build(t);
  t.equal((await call('/nowhere')).statusCode, 404);
  t.equal((await call('/profile', undefined, 'OPTIONS')).statusCode, 200);
});

test('a route without a known access keeps the app from starting', async (t) => {
  const { app } = await build(t);
  t.throws(
    () => app.get('/forgotten', async () => ''),
    /route GET \/forgotten does not say who may call it/,
  );
  t.throws(
    () => app.route({ method: ['PUT', 'PATCH'], url: '/both', handler: async () => '' }),
    /PUT,PATCH \/both/,
  );
  t.throws(() => app.options('/some', async () => ''), /OPTIONS \/some/);
  t.throws(
    // @ts-expect-error such a permission does not exist
    () => app.get('/unknown', { config: { access: { permission: 'toString' } } }, async () => ''),
    /GET \/unknown/,
  );
  t.throws(
    // @ts-expect-error such an access does not exist
    () => app.get('/open', { config: { access: 'everyone' } }, async () => ''),
    /GET \/open/,
  );
  await t.rejects(
    async () =>
      app.register(
        async (scope) => {
          scope.get('/inner', async () => '');
        },
        { prefix: '/a' },
      ),
    /GET \/a\/inner/,
  );
});

test('a route registered before the plugin is closed', async (t) => {
  const app = Fastify();
  t.teardown(() => app.close());
  app.get('/early', async () => 'secret');
  const { keys } = ringOf([], t);
  const revocations = createRevocations();
  await app.register(authentication, {
    keys,
    issuer,
    audience,
    revocations,
    sessions: createSessionLookup({ revocations, query: async () => [] }),
  });
  const response = await app.inject('/early');
  t.equal(response.statusCode, 500);
  t.notMatch(response.body, 'secret');
});

const viewing = async (t: Test, options: Pick<AuthenticationOptions, 'onDenied'> = {}) => {
  const token = createViewerToken();
  const viewer = {
    tokenId: randomUUID(),
    tenantId: 'acme',
    expiresAt: new Date(Date.now() + 60_000),
  };
  const state = { live: true, looks: 0 };
  const built = await build(t, {
    viewers: async (hash) => {
      state.looks += 1;
      return state.live && hash.equals(hashViewerToken(token)) ? viewer : undefined;
    },
    ...options,
  });
  return { ...built, token, state };
};

test('a viewer token opens only routes that allow viewers', async (t) => {
  const { call, token, signIn } = await viewing(t);
  const response = await call('/trail', `Bearer ${token}`);
  t.equal(response.statusCode, 200);
  t.same(response.json(), { viewer: 'acme' });
  t.equal((await call('/trail', `Bearer ${token}`, 'HEAD')).statusCode, 200);
  const { userId, token: signedIn } = signIn('customer');
  t.same((await call('/trail', `Bearer ${signedIn}`)).json(), { principal: userId });
});

test('a viewer token on another route is reported to onDenied', async (t) => {
  const denied: unknown[] = [];
  const { call, token } = await viewing(t, {
    onDenied: async (request: FastifyRequest) => {
      denied.push([request.principal, request.viewer?.tenantId]);
    },
  });
  for (const [url, method] of [
    ['/profile', 'GET'],
    ['/profile', 'HEAD'],
    ['/profile', 'POST'],
    ['/directory', 'GET'],
  ] as const) {
    const response = await call(url, `Bearer ${token}`, method);
    t.equal(response.statusCode, 403, `${method} ${url}`);
  }
  t.same(
    denied,
    Array.from({ length: 4 }, () => [null, 'acme']),
  );
});

test('a viewer token that does not count is a 401 at once, on every route', async (t) => {
  const { call, token, state } = await viewing(t);
  t.equal((await call('/trail', `Bearer ${token}`)).statusCode, 200);
  state.live = false;
  for (const authorization of [
    `Bearer ${token}`,
    `Bearer ${createViewerToken()}`,
    `Bearer ${token}x`,
    `Basic ${token}`,
  ]) {
    for (const url of ['/trail', '/profile']) {
      const response = await call(url, authorization);
      t.equal(response.statusCode, 401, `${authorization.slice(0, 12)} ${url}`);
      t.equal(
        response.headers['www-authenticate'],
        'Bearer realm="muniment", error="invalid_token"',
      );
    }
  }
});

test('where viewer tokens do not count, one is a credential of an unknown form', async (t) => {
  const { call } = await build(t);
  for (const url of ['/trail', '/profile'])
    t.equal((await call(url, `Bearer ${createViewerToken()}`)).statusCode, 401);
});

test('a changing route that allows viewers keeps the app from starting', async (t) => {
  const { app } = await build(t);
  t.throws(
    () =>
      app.post(
        '/trail',
        { config: { access: { permission: 'audit:write-events', viewer: true } } },
        async () => '',
      ),
    /POST \/trail would let a viewer token change/,
  );
});

test('two Authorization headers are none, whichever of them is good', async (t) => {
  const { app, signIn } = await build(t);
  const address = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
  const { token } = signIn('customer');
  const statusOf = (headers: string[]): Promise<number> =>
    new Promise((resolve, reject) => {
      httpRequest(
        {
          host: address.hostname,
          port: address.port,
          path: '/profile',
          headers: ['host', address.host, ...headers.flatMap((value) => ['authorization', value])],
        },
        (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        },
      )
        .on('error', reject)
        .end();
    });
  t.equal(await statusOf([`Bearer ${token}`]), 200);
  t.equal(await statusOf([`Bearer ${token}`, 'Bearer x']), 401);
  t.equal(await statusOf(['Bearer x', `Bearer ${token}`]), 401);
  t.equal(await statusOf([`Bearer ${token}`, `Bearer ${token}`]), 401);
});
