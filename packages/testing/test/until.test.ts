import { test } from 'tap';
import { until } from '../src/index.ts';

test('until returns the first value that is neither false nor undefined', async (t) => {
  const values = [undefined, false, 0, 1];
  t.equal(await until<number>(async () => values.shift() as number | false | undefined), 0);
});

test('until throws after its time with the name of what it waited for', async (t) => {
  await t.rejects(
    until(() => false, { what: 'the answer', timeoutMs: 1 }),
    /not within 1 ms: the answer/,
  );
});

test('until rethrows what the condition throws', async (t) => {
  await t.rejects(
    until(() => {
      throw new Error('broken');
    }),
    /broken/,
  );
});
