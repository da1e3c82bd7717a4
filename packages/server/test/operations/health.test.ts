import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { timeBound } from '@muniment/testing';
import { build } from '../build.ts';

test('ready answers 200 while only what can wait is down, and says what and since when', async (t) => {
  const { app } = await build(t);
  const before = Date.now();
  const answer = await app.inject('/health/ready');
  t.equal(answer.statusCode, 200);
  t.match(answer.json(), {
    status: 'ready',
    dependencies: {
      postgres: { status: 'up', critical: true },
      kinesis: { status: 'down', critical: false },
    },
  });
  const since = Date.parse(answer.json().dependencies.kinesis.since);
  t.ok(since >= before && since <= Date.now());
});

test('ready answers 503 while a critical dependency is down, keeps the time it went down, and 200 when it is back', async (t) => {
  let up = true;
  const { app } = await build(t, {
    checks: [
      {
        name: 'vault',
        critical: true,
        check: async () => {
          if (!up) throw new Error('away');
        },
      },
    ],
  });
  t.equal((await app.inject('/health/ready')).statusCode, 200);
  up = false;
  await sleep(520);
  const down = await app.inject('/health/ready');
  t.equal(down.statusCode, 503);
  t.match(down.json(), {
    status: 'unready',
    dependencies: { vault: { status: 'down', critical: true }, postgres: { status: 'up' } },
  });
  await sleep(520);
  t.equal(
    (await app.inject('/health/ready')).json().dependencies.vault.since,
    down.json().dependencies.vault.since,
  );
  up = true;
  await sleep(520);
  const back = await app.inject('/health/ready');
  t.equal(back.statusCode, 200);
  t.ok(back.json().dependencies.vault.since > down.json().dependencies.vault.since);
});

test('a dependency that hangs, or whose check throws outright, counts as down in bounded time', async (t) => {
  const { app } = await build(t, {
    checks: [
      { name: 'hangs', critical: true, check: () => new Promise(() => {}) },
      {
        name: 'throws',
        critical: true,
        check: () => {
          throw new Error('outright');
        },
      },
    ],
  });
  const start = performance.now();
  const answer = await app.inject('/health/ready');
  t.ok(performance.now() - start < timeBound(2_500));
  t.equal(answer.statusCode, 503);
  t.match(answer.json(), {
    dependencies: { hangs: { status: 'down' }, throws: { status: 'down' } },
  });
});

test('many who ask at once cause one look', async (t) => {
  let looks = 0;
  const { app } = await build(t, {
    checks: [
      {
        name: 'counted',
        critical: true,
        check: async () => {
          looks += 1;
          await sleep(50);
        },
      },
    ],
  });
  await Promise.all(Array.from({ length: 20 }, () => app.inject('/health/ready')));
  await app.inject('/health/ready');
  t.equal(looks, 1);
});

test('while listening, the time of a failure is its own and not that of the first question', async (t) => {
  let up = true;
  const { app } = await build(t, {
    checks: [
      {
        name: 'vault',
        critical: true,
        check: async () => {
          if (!up) throw new Error('away');
        },
      },
    ],
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  await sleep(2_100);
  up = false;
  const failed = Date.now();
  await sleep(4_500);
  const { since } = (await app.inject('/health/ready')).json().dependencies.vault;
  t.ok(Date.parse(since) - failed < 2_300, `${Date.parse(since) - failed} ms`);
});

test('a draining replica is alive and not ready', async (t) => {
  const { app, health } = await build(t);
  health.drain();
  const ready = await app.inject('/health/ready');
  t.equal(ready.statusCode, 503);
  t.equal(ready.json().status, 'draining');
  const live = await app.inject('/health/live');
  t.equal(live.statusCode, 200);
  t.strictSame(live.json(), { status: 'live' });
});
