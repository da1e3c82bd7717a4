import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { createWorkGate } from '../src/index.ts';

test('never more run than allowed, in order of arrival, also after failures', async (t) => {
  const gate = createWorkGate({ concurrency: 3, queueLimit: 100 });
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
  const jobs = Array.from({ length: 50 }, (_, i) => gate.run(() => job(i)).catch(() => undefined));
  await Promise.all(jobs.slice(0, 20));
  // Newcomers while places change hands must not slip in beside the queue.
  await Promise.all([...jobs, ...Array.from({ length: 20 }, (_, i) => gate.run(() => job(50 + i)).catch(() => undefined))]);
  t.equal(most, 3);
  t.same(started, Array.from({ length: 70 }, (_, i) => i));
  t.same(gate.load(), { running: 0, waiting: 0 });
});

test('a closed gate takes nothing and waits for what it took', async (t) => {
  const gate = createWorkGate({ concurrency: 1, queueLimit: 5 });
  let done = 0;
  const jobs = [1, 2, 3].map(() => gate.run(async () => { await sleep(5); done++; }));
  await gate.close();
  t.equal(done, 3);
  await t.rejects(gate.run(async () => undefined), { code: 'overloaded' });
  await Promise.all(jobs);
});
