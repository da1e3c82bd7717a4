import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { FastifyRequest } from 'fastify';
import { sql } from 'kysely';
import { test, type Test } from 'tap';
import { startFaultProxy } from '@muniment/cluster';
import { connectSuperuser, until } from '@muniment/testing';
import { addRoute } from '../add-route.ts';
import { build, checkProblem, environment, type TestServer } from '../build.ts';
import { decryptAnswer, encryptAnswer } from '../../src/idempotency/encryption.ts';

const EVENT = { action: 'PROFILE_UPDATE', subject: { address: 'somebody' } };
const leases = ({ rows }: TestServer) =>
  rows<{ name: string }>(`select name from identity.leases where name like 'probe%'`);
const kept = ({ rows }: TestServer) => rows('select scope from identity.idempotency_keys');
const post = ({ app }: TestServer, key?: string, body: object = {}) =>
  app.inject({
    method: 'POST',
    url: '/probe',
    payload: body,
    headers: { ...(key !== undefined && { 'idempotency-key': key }) },
  });

interface Probe {
  answered(answer: { n: number }, fail: (error: Error) => never): unknown;
  during?(): Promise<void>;
}

/** Each effect is a lease of its own: two effects can be told from one. */
function probeRoute({ app, inTransaction }: TestServer, { answered, during }: Probe): void {
  let n = 0;
  async function handler(request: FastifyRequest): Promise<unknown> {
    const answer = await inTransaction(request, async (trx, record) => {
      n += 1;
      await sql`insert into identity.leases (name, holder, epoch, expires_at) values (${`probe-${n}`}, 'a', 1, now())`.execute(
        trx,
      );
      await during?.();
      await record(EVENT);
      return { n };
    });
    return answered(answer, (error) => {
      throw error;
    });
  }
  addRoute(app, { method: 'POST', url: '/probe', handler });
}

test('what is committed and what is answered are one: before the answer nothing can be seen of the change', async (t) => {
  const server = await build(t);
  let seen: unknown;
  probeRoute(server, {
    async answered(answer) {
      seen = await leases(server);
      return answer;
    },
  });
  t.strictSame((await post(server, 'k')).json(), { n: 1 });
  t.strictSame(seen, [], 'the handler has its result, and nobody else');
  t.strictSame(await leases(server), [{ name: 'probe-1' }]);
  t.strictSame((await post(server, 'k')).json(), { n: 1 });
  t.equal((await server.events()).length, 1);
});

test('without a key nothing is kept and each request acts', async (t) => {
  const server = await build(t);
  probeRoute(server, { answered: (answer) => answer });
  t.strictSame([(await post(server)).json(), (await post(server)).json()], [{ n: 1 }, { n: 2 }]);
  t.strictSame(await kept(server), []);
});

test('a failure of ours takes the change with it, and the next try begins anew', async (t) => {
  const server = await build(t);
  probeRoute(server, {
    answered: (answer, fail) => (answer.n === 1 ? fail(new Error('a bug')) : answer),
  });
  checkProblem(t, await post(server, 'k'), 500, 'internal_error');
  t.strictSame(await leases(server), []);
  t.strictSame(await server.events(), []);
  t.strictSame((await post(server, 'k')).json(), { n: 2 });
  t.strictSame(await leases(server), [{ name: 'probe-2' }]);
});

test('a connection that is cut in place of COMMIT is a 503 with nothing done; the retry does it', async (t) => {
  const superuser = new URL(process.env.TEST_POSTGRES_URL ?? '');
  const proxy = await startFaultProxy({
    target: { host: superuser.hostname, port: Number(superuser.port) },
  });
  t.teardown(() => proxy.stop());
  const server = await build(t, { databasePort: proxy.port });
  probeRoute(server, {
    answered(answer) {
      if (answer.n === 1) proxy.mode('cut');
      return answer;
    },
  });
  checkProblem(t, await post(server, 'k'), 503, 'dependency_unavailable');
  t.strictSame(await leases(server), []);
  t.strictSame((await post(server, 'k')).json(), { n: 2 });
  t.strictSame(await leases(server), [{ name: 'probe-2' }]);
});

test('a second one at once is told so at once, also by another replica, and what is stored is not doubled', async (t) => {
  const server = await build(t);
  let go = (): void => {};
  const held = new Promise<void>((resolve) => {
    go = resolve;
  });
  probeRoute(server, { answered: (answer) => answer, during: () => held });
  const first = post(server, 'k');
  await until(
    async () => (await server.rows(`select from pg_locks where locktype = 'advisory'`)).length > 0,
  );
  const second = await post(server, 'k');
  checkProblem(t, second, 409, 'idempotency_in_progress');
  t.equal(second.headers['retry-after'], '1');
  go();
  t.strictSame((await first).json(), { n: 1 });
  t.strictSame((await post(server, 'k')).json(), { n: 1 });
});

for (const [what, body, status, code] of [
  ['the same content', { a: 1 }, 409, 'idempotency_in_progress'],
  ['other content', { a: 2 }, 422, 'idempotency_key_reused'],
] as const)
  test(`${what} under a key that another replica answers meanwhile does nothing`, async (t) => {
    const server = await build(t);
    const other = await build(t, { beside: server });
    probeRoute(server, { answered: (answer) => answer });
    const begun = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<void>();
    addRoute(other.app, {
      method: 'POST',
      url: '/probe',
      async handler(request) {
        begun.resolve();
        await answered.promise;
        return other.inTransaction(request, async (_trx, record) => ({ id: await record(EVENT) }));
      },
    });
    const late = post(other, 'k', body);
    await begun.promise;
    t.strictSame((await post(server, 'k', { a: 1 })).json(), { n: 1 });
    answered.resolve();
    checkProblem(t, await late, status, code);
    t.equal((await server.events()).length, 1);
  });

test('one key on two resources of a route acts on each', async (t) => {
  const server = await build(t);
  const acted: unknown[] = [];
  addRoute(server.app, {
    method: 'POST',
    url: '/probe/:id',
    async handler(request) {
      acted.push((request.params as { id: string }).id);
      await server.recordFor(request, EVENT);
      return request.params;
    },
  });
  const headers = { 'idempotency-key': 'k' };
  for (const id of ['one', 'other', 'one']) {
    const answer = await server.app.inject({ method: 'POST', url: `/probe/${id}`, headers });
    t.strictSame(answer.json(), { id });
  }
  t.strictSame(acted, ['one', 'other']);
});

test('a 429 is not kept under its key, though it has left an event', async (t) => {
  const server = await build(t, { settings: { LIMIT_RULES: 'token_creation=1/3600' } });
  addRoute(server.app, {
    method: 'POST',
    url: '/probe',
    async handler(request) {
      await server.limits.consume([['token_creation', 'ada']], () =>
        server.recordFor(request, { ...EVENT, outcome: 'failure', error: 'rate_limited' }),
      );
      return { done: true };
    },
  });
  t.equal((await post(server, 'first')).statusCode, 200);
  checkProblem(t, await post(server, 'k'), 429, 'rate_limited');
  t.match(await server.events(), [{ error: 'rate_limited' }]);
  t.strictSame(await kept(server), []);
  checkProblem(t, await post(server, 'k'), 429, 'rate_limited');
  t.equal((await server.events()).length, 1, 'one event in the window');
  await server.rows('delete from shared.limits');
  const again = await post(server, 'k');
  t.equal(again.statusCode, 200);
  t.equal(again.headers['idempotent-replayed'], undefined);
});

test('a mere record outlives a failure of ours, which is not kept', async (t) => {
  const server = await build(t);
  let fails = true;
  addRoute(server.app, {
    method: 'POST',
    url: '/probe',
    async handler(request) {
      await server.recordFor(request, EVENT);
      if (fails) throw new Error('a bug');
      return { done: true };
    },
  });
  checkProblem(t, await post(server, 'k'), 500, 'internal_error');
  t.equal((await server.events()).length, 1);
  t.strictSame(await kept(server), []);
  fails = false;
  t.strictSame((await post(server, 'k')).json(), { done: true });
  t.equal((await server.events()).length, 2);
});

test('an answer that is no text is not kept, and its change is', async (t) => {
  const server = await build(t);
  probeRoute(server, { answered: ({ n }) => Buffer.from(`${n}`) });
  t.equal((await post(server, 'k')).body, '1');
  t.strictSame(await leases(server), [{ name: 'probe-1' }]);
  t.strictSame(await kept(server), []);
});

async function startProbe(
  t: Test,
  env: Record<string, string>,
): Promise<{ url: string; output(): string; kill(): Promise<void> }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../probe-service.ts')], {
    env: { ...env, LOG_LEVEL: 'info' },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output += String(chunk);
    });
  t.teardown(() => child.kill('SIGKILL'));
  await until(() => output.includes('url=') || child.exitCode !== null, { timeoutMs: 60_000 });
  return {
    url: /url=(\S+)/.exec(output)?.[1] ?? '',
    output: () => output,
    async kill() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

test('who is killed before the COMMIT has done nothing, who is killed behind it has answered: the retry finds which', async (t) => {
  const { env, database } = await environment(t);
  const superuser = await connectSuperuser(t, database);
  const effects = async () =>
    (
      await superuser.query<{ holder: string }>(
        `select holder from identity.leases where name like 'killed%'`,
      )
    ).rows;
  const call = (url: string, point: string) =>
    fetch(`${url}/killed`, {
      method: 'POST',
      headers: { 'idempotency-key': point, 'content-type': 'application/json' },
      body: JSON.stringify({ point }),
    });
  const next = await startProbe(t, env);

  for (const [point, left] of [
    ['before', 0],
    ['behind', 1],
  ] as const) {
    const doomed = await startProbe(t, { ...env, REPLICA: 'probe-2', STAND_STILL: 'on' });
    const lost = call(doomed.url, point).then(
      () => 'answered',
      () => 'lost',
    );
    await until(() => doomed.output().includes('stands still'));
    if (point === 'before')
      t.equal(
        (await call(next.url, point)).status,
        409,
        'another replica is told that it is under way',
      );
    await doomed.kill();
    t.equal(await lost, 'lost');
    t.equal((await effects()).length, left, `${point}: what the killed one left`);
    let answer = await call(next.url, point);
    // PostgreSQL needs a moment to see that the connection is gone.
    for (; answer.status === 409; answer = await call(next.url, point))
      await new Promise((resolve) => setTimeout(resolve, 20));
    t.equal(answer.status, 200);
    t.equal(answer.headers.get('idempotent-replayed'), point === 'behind' ? 'true' : null);
    t.strictSame(
      await effects(),
      [await answer.json()],
      `${point}: one effect, and it is the one that was answered`,
    );
    await superuser.query(`delete from identity.leases where name like 'killed%'`);
  }
});

test('more requests at once than there are connections, each with a look at the database behind its change, all get through', async (t) => {
  const server = await build(t, { settings: { DATABASE_POOL_MAX: '4' } });
  probeRoute(server, {
    async answered(answer) {
      await leases(server);
      await sql`select 1`.execute(server.db);
      return answer;
    },
  });
  const answers = await Promise.all(Array.from({ length: 24 }, (_, n) => post(server, `k${n}`)));
  t.strictSame(
    answers.map(({ statusCode }) => statusCode),
    Array(24).fill(200),
  );
  t.equal((await leases(server)).length, 24);
});

test('an answer opens by its key, content, secret and row alone', (t) => {
  const by = { secret: Buffer.alloc(32, 1), key: 'k', content: '[]' };
  const scope = Buffer.alloc(32, 2);
  const sealed = encryptAnswer(by, scope, 'an answer');
  t.equal(decryptAnswer(by, scope, sealed), 'an answer');
  t.not(encryptAnswer(by, scope, 'an answer').toString('hex'), sealed.toString('hex'));
  for (const other of [
    { ...by, secret: Buffer.alloc(32) },
    { ...by, key: 'l' },
    { ...by, content: '[1]' },
    { ...by, key: 'k,', content: '[]' },
  ])
    t.throws(() => decryptAnswer(other, scope, sealed));
  t.throws(() => decryptAnswer(by, Buffer.alloc(32), sealed));
  t.throws(() => decryptAnswer(by, scope, sealed.subarray(0, 20)));
  t.end();
});
