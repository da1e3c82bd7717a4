import { test } from 'tap';
import { shareFlush } from '../../../src/s3/store/folder.ts';

/** A flush that ends when the test says so. */
function createFlush() {
  const started: PromiseWithResolvers<void>[] = [];
  const sync = shareFlush(() => {
    const flush = Promise.withResolvers<void>();
    started.push(flush);
    return flush.promise;
  });
  return { started, sync };
}

test('callers during a flush share the next one, which begins when the first has ended', async (t) => {
  const { started, sync } = createFlush();
  const done: string[] = [];
  const first = sync().then(() => done.push('first'));
  const rest = Promise.all(['second', 'third'].map((name) => sync().then(() => done.push(name))));
  t.equal(started.length, 1);
  started[0]?.resolve();
  await first;
  t.same(done, ['first'], 'the running flush may have begun before their changes');
  t.equal(started.length, 2);
  started[1]?.resolve();
  await rest;
  t.same(done, ['first', 'second', 'third']);
  t.equal(started.length, 2);
});

test('a flush that fails tells all who share it, and the next one is new', async (t) => {
  const { started, sync } = createFlush();
  const first = sync();
  const shared = [sync(), sync()];
  started[0]?.reject(new Error('first'));
  await t.rejects(first, { message: 'first' });
  started[1]?.reject(new Error('second'));
  for (const one of shared) await t.rejects(one, { message: 'second' });
  const last = sync();
  started[2]?.resolve();
  await t.resolves(last);
});
