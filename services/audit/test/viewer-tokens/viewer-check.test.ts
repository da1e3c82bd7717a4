import { test } from 'tap';
import { createViewerCheck } from '../../viewer-tokens/viewer-check.ts';

test('what is asked in one turn is one statement, and what is asked later another', async (t) => {
  const asked: (readonly string[])[] = [];
  const check = createViewerCheck(async (ids) => {
    asked.push(ids);
    return new Set(ids.filter((id) => id !== 'revoked'));
  });
  const answers = await Promise.all([
    ...Array.from({ length: 500 }, (_, n) => check(`token-${n % 50}`)),
    check('revoked'),
  ]);
  t.equal(asked.length, 1);
  t.equal(asked[0]?.length, 51);
  t.same(answers.map((counts) => !counts).indexOf(true), 500);
  t.equal(await check('token-1'), true);
  t.equal(asked.length, 2, 'never an answer of before');
});

test("one that is asked while a statement runs waits for the next, and a failure is everybody's who asked", async (t) => {
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
