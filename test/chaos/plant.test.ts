import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { copyCheckout, mutate } from './plant.ts';
import { PLANTED_BUGS } from './planted-bugs.ts';

const root = join(import.meta.dirname, '../..');

test('a copy runs its own packages, and every planted bug fits the code', async (t) => {
  const copy = t.testdir();
  copyCheckout(root, copy);
  t.equal(
    realpathSync(join(copy, 'services/audit/node_modules/@muniment/server')),
    realpathSync(join(copy, 'packages/server')),
    'ours within the copy',
  );
  t.equal(
    realpathSync(join(copy, 'node_modules/@muniment/cluster')),
    realpathSync(join(copy, 'packages/cluster')),
  );
  t.equal(
    realpathSync(join(copy, 'packages/server/node_modules/fastify')),
    realpathSync(join(root, 'packages/server/node_modules/fastify')),
    'others as installed',
  );
  for (const { name, mutations } of PLANTED_BUGS)
    for (const mutation of mutations)
      t.doesNotThrow(() => mutate(copy, mutation), `${name}: ${mutation.file}`);
  t.notMatch(
    readFileSync(join(copy, 'packages/audit-events/src/outbox.ts'), 'utf8'),
    'o.seq <= w.watermark',
    'and is planted',
  );
  t.throws(
    () => mutate(copy, { file: 'Makefile', find: 'text that nobody wrote', replace: '' }),
    /out of date: Makefile has 0 times/,
  );
});
