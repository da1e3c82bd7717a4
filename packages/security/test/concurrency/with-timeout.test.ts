import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { withTimeout } from '../../src/index.ts';

test('work that ends in time decides the outcome', async (t) => {
  t.equal(await withTimeout(Promise.resolve('done'), 1_000, () => 'late'), 'done');
  await t.rejects(
    withTimeout(Promise.reject(new Error('failed')), 1_000, () => 'late'),
    { message: 'failed' },
  );
});

test('late work resolves with the result of onTimeout', async (t) => {
  const work = sleep(20).then(() => Promise.reject(new Error('failed late')));
  t.equal(await withTimeout(work, 1, () => 'late'), 'late');
  await sleep(40);
});
