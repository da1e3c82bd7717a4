import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { test } from 'tap';
import { until } from '@muniment/testing';
import { repeat } from '../../src/index.ts';
import { build } from '../build.ts';

test('a failure is reported and does not end the repetition', async (t) => {
  let rounds = 0;
  const errors: unknown[] = [];
  const loop = repeat(
    'work',
    5,
    async () => {
      if ((rounds += 1) <= 2) throw new Error(`round ${rounds}`);
    },
    (error) => void errors.push(error),
  );
  loop.start();
  await until(() => rounds >= 5);
  await loop.stop();
  t.match(errors, [{ message: 'round 1' }, { message: 'round 2' }]);
});

test('rounds never overlap, and a pause lies between them', async (t) => {
  let running = 0;
  const starts: number[] = [];
  const loop = repeat(
    'work',
    50,
    async () => {
      t.equal((running += 1), 1);
      starts.push(performance.now());
      await sleep(60);
      running -= 1;
    },
    (error) => t.fail(String(error)),
  );
  loop.start();
  await until(() => starts.length >= 3);
  await loop.stop();
  for (const [i, at] of starts.slice(1).entries())
    t.ok(at - (starts[i] ?? 0) >= 105, `${at - (starts[i] ?? 0)} ms`);
});

test('a stop waits for the round in hand and begins no other', async (t) => {
  let begun = 0;
  let ended = 0;
  const loop = repeat(
    'work',
    1,
    async () => {
      begun += 1;
      await sleep(100);
      ended += 1;
    },
    (error) => t.fail(String(error)),
  );
  loop.start();
  await sleep(20);
  await loop.stop();
  t.strictSame([begun, ended], [1, 1]);
  await sleep(50);
  t.equal(begun, 1);
});

test('while the fleet rests a loop looks for work less often, until there may be some', async (t) => {
  let isResting = true;
  let wake = (): void => undefined;
  let rounds = 0;
  const loop = repeat(
    'work',
    5,
    async () => void (rounds += 1),
    (error) => t.fail(String(error)),
  );
  loop.start({
    isResting: () => isResting,
    untilWork: (ms) => {
      t.equal(ms, 9_995);
      return new Promise((resolve) => (wake = resolve));
    },
  });
  await sleep(50);
  t.equal(rounds, 1);
  isResting = false;
  wake();
  await until(() => rounds >= 5);
  await loop.stop();
});

test('a loop that fails does not rest: it is tried again after its pause', async (t) => {
  let rounds = 0;
  const loop = repeat(
    'work',
    5,
    async () => {
      rounds += 1;
      throw new Error('the store is away');
    },
    () => {},
  );
  loop.start({ isResting: () => true, untilWork: async () => void t.fail('it rests') });
  await until(() => rounds >= 5);
  await loop.stop();
});

test('a loop that was never started can be stopped', async (t) => {
  await repeat(
    'work',
    1,
    async () => {
      t.fail('it was not started');
    },
    () => {},
  ).stop();
  t.pass();
});

test("a server's loops run while it listens and are stopped before its database closes", async (t) => {
  const server = await build(t);
  const seen: string[] = [];
  server.background({
    name: 'probe',
    start: () => void seen.push('start'),
    async stop() {
      const { rows } = await sql<{ one: number }>`select 1 as one`.execute(server.db);
      seen.push(`stop with ${rows[0]?.one}`);
    },
  });
  server.afterLoops(() => seen.push('closed'));
  t.strictSame(seen, []);
  await server.app.listen({ host: '127.0.0.1', port: 0 });
  t.strictSame(seen, ['start']);
  await server.app.close();
  t.strictSame(seen, ['start', 'stop with 1', 'closed']);
});
