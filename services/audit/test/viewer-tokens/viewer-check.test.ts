import { test } from 'tap';
import { createViewerCheck } from '../../viewer-tokens/viewer-check.ts';

test('checks of one turn share a statement, and a later check sends its own', async (t) => {
  const batches: (readonly string[])[] = [];
  const check = createViewerCheck(async (ids) => {
    batches.push(ids);
    return new Set(ids.filter((id) => id !== 'revoked'));
  });
  const answers = await Promise.all([
    ...Array.from({ length: 500 }, (_, n) => check(`token-${n % 50}`)),
    check('revoked'),
  ]);
  t.equal(batches.length, 1);
  t.equal(batches[0]?.length, 51);
  t.same(answers.map((counts) => !counts).indexOf(true), 500);
  t.equal(await check('token-1'), true);
  t.equal(batches.length, 2, 'no earlier answer is reused');
});

test('a check during a statement waits for the next, and failures reject all', async (t) => {
  const pending: ((error: Error) => void)[] = [];
  const check = createViewerCheck(() => new Promise((_, reject) => pending.push(reject)));
  const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));
  const first = Promise.allSettled([check('a'), check('b')]);
  await turn();
  const second = Promise.allSettled([check('a')]);
  await turn();
  t.equal(pending.length, 2);
  for (const fail of pending) fail(new Error('no answer'));
  t.same(
    [...(await first), ...(await second)].map(({ status }) => status),
    ['rejected', 'rejected', 'rejected'],
  );
});
