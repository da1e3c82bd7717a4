import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { createConcurrencyLimit } from '../../src/index.ts';

test('never more run than allowed, in order of arrival, also after failures', async (t) => {
  const gate = createConcurrencyLimit({ concurrency: 3, queueLimit: 100 });
  let running = 0;
  let most = 0;
  const started: number[] = [];
  const job = async (i: number) => {
    started.push(i);
    most = Math.max(most, ++running);
    await sleep(i % 3);
    running--;
    if (i % 5 === 0) throw new Error('a job failed');
  };
  const run = (i: number) => gate.run(() => job(i)).catch(() => undefined);
  const jobs = Array.from({ length: 50 }, (_, i) => run(i));
  // Newcomers must not overtake the queue, at whatever moment they come.
  for (let i = 50; gate.load().waiting > 0; i++) {
    if (i < 90) jobs.push(run(i));
    await (i % 4 === 0 ? sleep(1) : Promise.resolve());
  }
  await Promise.all(jobs);
  t.equal(most, 3);
  t.same(
    started,
    jobs.map((_, i) => i),
  );
  t.same(gate.load(), { running: 0, waiting: 0 });
});

test('a closed limit finishes its accepted work', async (t) => {
  const gate = createConcurrencyLimit({ concurrency: 1, queueLimit: 5 });
  let done = 0;
  const jobs = [1, 2, 3].map(() =>
    gate.run(async () => {
      await sleep(5);
      done++;
    }),
  );
  await gate.close();
  t.equal(done, 3);
  await t.rejects(
    gate.run(async () => undefined),
    { code: 'OVERLOADED' },
  );
  await Promise.all(jobs);
});

test('a newcomer waits behind the queue', async (t) => {
  const gate = createConcurrencyLimit({ concurrency: 1, queueLimit: 5 });
  const order: string[] = [];
  let running = 0;
  const job = (name: string) => async () => {
    order.push(`${name} beside ${running++}`);
    await sleep(2);
    running--;
  };
  let finish = () => undefined as void;
  const first = new Promise<void>((resolve) => (finish = resolve));
  const jobs = [gate.run(() => first), gate.run(job('second'))];
  // Reactions run in order of registration: this one before the second job starts.
  const newcomer = first.then(() => gate.run(job('newcomer')));
  finish();
  await Promise.all([...jobs, newcomer]);
  t.same(order, ['second beside 0', 'newcomer beside 0']);
});
