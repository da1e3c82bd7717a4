import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { freePort, startFaultProxy } from '@muniment/cluster';
import { timeBound, until } from '@muniment/testing';
import { effectsAreRecorded, recordEffects } from './effects.ts';
import { startFleet } from './fleet.ts';
import { isAcknowledged, startLoad } from './load.ts';
import { isProblem } from './problems.ts';
import { findProcess, readState } from './processes.ts';
import { openDatabase } from './stores.ts';

test('without PostgreSQL requests get 503; afterwards all works without a restart', async (t) => {
  const postgresPort = await freePort();
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: postgresPort } });
  t.teardown(() => proxy.stop());
  const fleet = await startFleet(t, {
    DURABLE: 'off',
    REPLICAS: '1',
    POSTGRES_PORT: String(postgresPort),
    PROXY_POSTGRES_PORT: String(proxy.port),
    RELAY_RESEND_AFTER_MS: '3000',
  });
  const rows = await openDatabase(t, fleet);
  await recordEffects(rows);
  const accounts = await Promise.all(Array.from({ length: 4 }, () => fleet.signUp()));
  const replicas = (await fleet.describe()).processes.filter(({ service }) =>
    ['user', 'file', 'audit'].includes(service),
  );
  const token = accounts[0]?.token ?? '';
  const load = startLoad(fleet, { accounts, reads: ['profile', 'list', 'download', 'trail'] });
  await sleep(1_500);

  // The proxy keeps PostgreSQL unreachable for four seconds; its supervisor restarts it sooner.
  const { pid } = await findProcess(fleet, 'postgres');
  process.kill(pid, 'SIGINT');
  await until(
    async () =>
      (await readState(fleet)).processes.find(({ name }) => name === 'postgres')?.pid !== pid,
    { what: 'PostgreSQL ends', timeoutMs: timeBound(5_000) },
  );
  proxy.mode('refuse');
  await sleep(1_000);
  for (const [method, path, options] of [
    ['GET', '/api/users/me', {}],
    ['PATCH', '/api/users/me', { json: { name: 'never' } }],
    ['GET', '/api/files', {}],
    ['GET', '/api/audit/logs', {}],
    [
      'POST',
      '/api/users/login',
      { json: { email: 'nobody@example.com', password: 'correct horse battery' } },
    ],
  ] as const) {
    const started = performance.now();
    await isProblem(
      t,
      await fleet.call(method, path, { token, ...options }),
      503,
      'dependency_unavailable',
      `${method} ${path}`,
    );
    t.ok(performance.now() - started < timeBound(3_000), `${method} ${path}: soon`);
  }
  await isProblem(
    t,
    await fleet.upload(token, 'never.txt', 'bytes'),
    503,
    'dependency_unavailable',
    'an upload',
  );
  for (const { name, port } of replicas) {
    const answer = await fetch(`http://127.0.0.1:${port}/health/ready`);
    t.equal(answer.status, 503, `${name} is not ready`);
    t.match(
      await answer.json(),
      { dependencies: { postgres: { status: 'down' } } },
      `${name} names the database`,
    );
    t.equal((await fetch(`http://127.0.0.1:${port}/health/live`)).status, 200, `${name} lives`);
  }
  await sleep(1_500);
  proxy.mode('pass');
  const back = performance.now();
  await until(
    async () =>
      (
        await Promise.all(
          ['/api/users/me', '/api/files', '/api/audit/logs'].map((path) =>
            fleet.call('GET', path, { token }),
          ),
        )
      ).every(({ status }) => status === 200),
    { what: 'everything is served again', timeoutMs: timeBound(10_000) },
  );
  t.comment(`served again after ${Math.round(performance.now() - back)} ms`);
  const recovered = new Date().toISOString();
  await sleep(2_000);
  const ledger = await load.stop();

  const refused = ledger.writes.filter((write) => !isAcknowledged(write)).length;
  t.comment(
    `${ledger.writes.length} changes, ${refused} of them refused; ${ledger.reads.length} reads; ` +
      `slowest answer ${Math.round(ledger.slowest)} ms`,
  );
  t.strictSame(ledger.strange, [], 'every answer was a success, or 503 with Retry-After');
  t.ok(
    ledger.writes.some((write) => !isAcknowledged(write)),
    'the outage was felt',
  );
  t.ok(ledger.slowest < timeBound(5_000), 'nobody waited for long');
  t.ok(recovered);
  const { processes } = await fleet.describe();
  for (const replica of replicas)
    t.equal(
      processes.find(({ name }) => name === replica.name)?.pid,
      replica.pid,
      `${replica.name} is still the same process`,
    );
  t.match(
    (await readState(fleet)).processes.filter(({ restarts }) => restarts > 0),
    [{ name: 'postgres', restarts: 1 }],
    'only PostgreSQL was started again',
  );
  await effectsAreRecorded(t, rows, ledger);
});
