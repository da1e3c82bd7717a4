import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { createLastSeen } from '../../src/index.ts';

const build = (options: { intervalMs?: number; capacity?: number } = {}) => {
  const writes: { ids: readonly string[]; ages: readonly number[] }[] = [];
  const database = { up: true };
  const activity = createLastSeen({
    ...options,
    touch: async (ids, ages) => {
      if (!database.up) throw new Error('ECONNREFUSED');
      writes.push({ ids, ages });
    },
  });
  return { activity, writes, database };
};

test('a thousand requests of a session are one write, with the age of the last', async (t) => {
  const { activity, writes } = build();
  for (let n = 0; n < 1_000; n += 1) activity.seen('a');
  activity.seen('b');
  await sleep(50);
  activity.seen('a');
  await activity.flush();
  t.equal(writes.length, 1);
  t.strictSame(writes[0]?.ids, ['a', 'b']);
  const [a = 1, b = 0] = writes[0]?.ages ?? [];
  t.ok(a < 0.04 && b >= 0.04, `${a} s and ${b} s ago`);
  await activity.flush();
  t.equal(writes.length, 1, 'nothing new, no write');
});

test('a session in use is written once per interval', async (t) => {
  const { activity, writes } = build({ intervalMs: 150 });
  activity.seen('a');
  await activity.flush();
  activity.seen('a');
  await activity.flush();
  t.equal(writes.length, 1, 'not again within the interval');
  await sleep(200);
  await activity.flush();
  t.equal(writes.length, 2, 'but after it, though nothing was seen since');
  t.ok((writes[1]?.ages[0] ?? 0) >= 0.15, 'as of then');
  t.equal(activity.waiting(), 0);
});

test('a stop writes what is not due yet', async (t) => {
  const { activity, writes } = build();
  activity.seen('a');
  await activity.flush();
  activity.seen('a');
  await activity.flush({ all: true });
  t.equal(writes.length, 2);
});

test('what could not be written is written later', async (t) => {
  const { activity, writes, database } = build();
  activity.seen('a');
  database.up = false;
  await t.rejects(activity.flush(), { message: 'ECONNREFUSED' });
  t.equal(activity.waiting(), 1);
  database.up = true;
  await activity.flush();
  t.strictSame(
    writes.map(({ ids }) => ids),
    [['a']],
  );
});

test('memory and statements are bounded', async (t) => {
  const { activity, writes } = build({ capacity: 2_500 });
  for (let n = 0; n < 10_000; n += 1) activity.seen(`session-${n}`);
  t.equal(activity.waiting(), 2_500);
  await activity.flush();
  t.strictSame(
    writes.map(({ ids }) => ids.length),
    [1_000, 1_000, 500],
  );
  activity.seen('session-9999');
  t.equal(activity.waiting(), 1, 'and who found no room is noted now');
});

test('a session seen again while it is written stays to be written', async (t) => {
  let seenMeanwhile = (): void => {};
  const activity = createLastSeen({ touch: async () => seenMeanwhile(), intervalMs: 10 });
  seenMeanwhile = () => activity.seen('a');
  activity.seen('a');
  await sleep(2);
  await activity.flush();
  t.equal(activity.waiting(), 1);
});
