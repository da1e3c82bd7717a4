import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { test, type Test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { startFaultProxy, type FaultProxy } from '../../../cluster/src/faults/fault-proxy.ts';
import { addRoute } from '../add-route.ts';
import { build, checkProblem, type TestServer } from '../build.ts';

const USER = '0190a1b2-c3d4-7e5f-8a9b-000000000001';

/** A server that reaches PostgreSQL through a proxy, with a route that reads and one that changes. */
async function behindProxy(t: Test): Promise<{ server: TestServer; proxy: FaultProxy }> {
  const { hostname, port } = new URL(process.env.TEST_POSTGRES_URL ?? '');
  const proxy = await startFaultProxy({ target: { host: hostname, port: Number(port) } });
  t.teardown(() => proxy.stop());
  const server = await build(t, { databasePort: proxy.port });
  addRoute(server.app, {
    url: '/read',
    handler: async () => (await sql`select 1 as one`.execute(server.db)).rows[0],
  });
  const event = { action: 'LOGIN_FAIL', outcome: 'failure', subject: { userId: USER } } as const;
  addRoute(server.app, {
    method: 'POST',
    url: '/change',
    handler: (request) =>
      server.inTransaction(request, async (trx, record) => {
        await sql`select 1`.execute(trx);
        return { id: await record(event) };
      }),
  });
  return { server, proxy };
}

async function timed<T>(work: PromiseLike<T>): Promise<{ answer: T; ms: number }> {
  const start = performance.now();
  const answer = await work;
  return { answer, ms: performance.now() - start };
}

test('while PostgreSQL refuses, requests get 503 and Retry-After at once, readiness says since when, and all works when it is back', async (t) => {
  const { server, proxy } = await behindProxy(t);
  const { app } = server;
  t.equal((await app.inject('/read')).statusCode, 200);
  t.equal((await app.inject({ method: 'POST', url: '/change' })).statusCode, 200);
  t.equal((await app.inject('/health/ready')).statusCode, 200);

  const failed = Date.now();
  proxy.mode('refuse');
  for (let i = 0; i < 5; i += 1) {
    for (const method of ['GET', 'POST'] as const) {
      const { answer, ms } = await timed(
        app.inject({ method, url: method === 'GET' ? '/read' : '/change' }),
      );
      checkProblem(t, answer, 503, 'dependency_unavailable');
      t.equal(answer.headers['retry-after'], '1');
      t.ok(ms < timeBound(500), `${ms} ms`);
    }
  }
  await sleep(520);
  const ready = await app.inject('/health/ready');
  t.equal(ready.statusCode, 503);
  t.match(ready.json(), {
    status: 'unready',
    dependencies: { postgres: { status: 'down', critical: true } },
  });
  const since = Date.parse(ready.json().dependencies.postgres.since);
  t.ok(since >= failed && since <= Date.now());
  t.equal(
    (await app.inject('/health/live')).statusCode,
    200,
    'it lives: a restart would help nobody',
  );

  proxy.mode('pass');
  t.equal((await app.inject('/read')).statusCode, 200);
  t.equal((await app.inject({ method: 'POST', url: '/change' })).statusCode, 200);
  await sleep(520);
  t.equal((await app.inject('/health/ready')).statusCode, 200);
  t.equal((await server.events()).length, 2, 'an event for each change that was acknowledged');
});

test('while PostgreSQL is silent, requests get their 503 in bounded time, and all works when it is back', async (t) => {
  const {
    server: { app },
    proxy,
  } = await behindProxy(t);
  t.equal((await app.inject('/read')).statusCode, 200);
  proxy.mode('blackhole');
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, i) =>
      timed(app.inject(i % 2 ? { method: 'POST', url: '/change' } : { url: '/read' })),
    ),
  );
  for (const { answer, ms } of answers) {
    checkProblem(t, answer, 503, 'dependency_unavailable');
    t.equal(answer.headers['retry-after'], '1');
    t.ok(ms < timeBound(4_000), `${Math.round(ms)} ms`);
  }
  proxy.mode('pass');
  await until(async () => (await app.inject('/read')).statusCode === 200, {
    timeoutMs: timeBound(4_000),
  });
  t.equal((await app.inject({ method: 'POST', url: '/change' })).statusCode, 200);
});

test('a connection that goes silent within a transaction is given up once, not once per statement', async (t) => {
  const {
    server: { app, inTransaction },
    proxy,
  } = await behindProxy(t);
  addRoute(app, {
    method: 'POST',
    url: '/stuck',
    handler: (request) =>
      inTransaction(request, async (trx) => {
        await sql`select 1`.execute(trx);
        proxy.mode('blackhole');
        await sql`select 2`.execute(trx);
      }),
  });
  const { answer, ms } = await timed(app.inject({ method: 'POST', url: '/stuck' }));
  checkProblem(t, answer, 503, 'dependency_unavailable');
  t.ok(ms < timeBound(3_200), `${Math.round(ms)} ms: one time-out, no second one for the rollback`);
});

test('connections that are cut cost at most the requests in flight', async (t) => {
  const {
    server: { app },
    proxy,
  } = await behindProxy(t);
  await Promise.all(Array.from({ length: 5 }, () => app.inject('/read')));
  proxy.mode('cut');
  await sleep(50);
  for (let i = 0; i < 5; i += 1) t.equal((await app.inject('/read')).statusCode, 200);
});

test('an error that a service recognises as its own dependency being away is a 503, too', async (t) => {
  const { app } = await build(t, {
    unavailable: [(error) => error instanceof Error && error.name === 'StoreAway'],
  });
  addRoute(app, {
    url: '/store',
    handler: () => {
      throw Object.assign(new Error('10.0.0.7 is away'), { name: 'StoreAway', statusCode: 500 });
    },
  });
  const answer = await app.inject('/store');
  checkProblem(t, answer, 503, 'dependency_unavailable');
  t.equal(answer.headers['retry-after'], '1');
  t.notMatch(answer.body, '10.0.0.7');
});

test('a grant that is missing is a logged 500 for the signed-in caller, not an outage that comes back by itself', async (t) => {
  const server = await build(t);
  const { app } = server;
  const logged: { err: Error }[] = [];
  app.setChildLoggerFactory((logger, bindings, options) => {
    const child = logger.child(bindings, options);
    child.error = ((line: (typeof logged)[number]) => void logged.push(line)) as typeof child.error;
    return child;
  });
  addRoute(app, { url: '/mine', access: { permission: 'files:read' }, handler: () => ({}) });
  await server.rows('revoke all on shared.public_keys from user_service');
  const header = Buffer.from(JSON.stringify({ alg: 'EdDSA', typ: 'JWT', kid: 'a' })).toString(
    'base64url',
  );
  const claims = Buffer.from('{}').toString('base64url');
  const answer = await app.inject({
    url: '/mine',
    headers: { authorization: `Bearer ${header}.${claims}.${'A'.repeat(86)}` },
  });
  checkProblem(t, answer, 500, 'internal_error');
  t.match(logged, [{ err: { code: '42501' } }]);
});

test('while the database is read-only, as after a failover, readiness is down and a change gets 503; all works when it is not', async (t) => {
  const { server } = await behindProxy(t);
  const { app } = server;
  const become = async (readOnly: 'on' | 'off') => {
    const name = new URL(server.config.DATABASE_URL).pathname.slice(1);
    await server.rows(`alter database ${name} set default_transaction_read_only = ${readOnly}`);
    await server.rows(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    );
    await sleep(600);
  };
  t.equal((await app.inject('/health/ready')).statusCode, 200);
  await become('on');
  checkProblem(
    t,
    await app.inject({ method: 'POST', url: '/change' }),
    503,
    'dependency_unavailable',
  );
  const ready = await app.inject('/health/ready');
  t.equal(ready.statusCode, 503);
  t.match(ready.json(), { dependencies: { postgres: { status: 'down' } } });
  await become('off');
  t.equal((await app.inject({ method: 'POST', url: '/change' })).statusCode, 200);
  t.equal((await app.inject('/health/ready')).statusCode, 200);
});
