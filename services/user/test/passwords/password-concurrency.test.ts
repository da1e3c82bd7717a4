import { test } from 'tap';
import { build } from '../build.ts';

test('as many hashes run at once as PASSWORD_CONCURRENCY says', async (t) => {
  const { context } = await build(t, { PASSWORD_CONCURRENCY: '1' });
  const hashes = [1, 2, 3].map(() => context.passwords.verifyDummy('a password'));
  t.strictSame(context.passwords.load(), { running: 1, waiting: 2 });
  await Promise.all(hashes);
});
