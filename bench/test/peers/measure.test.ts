import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { catchUp, measure } from '../../peers/measure/measure.ts';
import { readOptions } from '../../peers/options.ts';
import type { Target } from '../../peers/targets/target.ts';

const options = readOptions({ SECONDS: '0.2', WARMUP: '0', CONC: '2' });

/** A target that answers after 1 ms and has always caught up. This process does its work. */
const createFake = (parts: Partial<Target> = {}): Target => ({
  name: 'fake',
  processes: async () => ({ service: [process.pid], nginx: [], db: [], other: [] }),
  begin: async () => {},
  send: () => () => sleep(1),
  isCaughtUp: async () => true,
  verify: async () => 7,
  clean: async () => {},
  ...parts,
});

/** By the process's own time: on a busy machine it gets only a part of the clock's. */
function burnCpu(ms: number): void {
  const began = process.cpuUsage();
  const used = (): number => {
    const { user, system } = process.cpuUsage(began);
    return (user + system) / 1_000;
  };
  while (used() < ms);
}

test('a row has the rate of its good answers', async (t) => {
  const row = await measure({ target: createFake(), options }, 'profile', 1);
  t.equal(row.errors, 0);
  t.equal(row.verified, 7);
  t.ok(row.requests > 10);
  t.equal(row.perSecond, row.requests / row.seconds);
});

test('a wrong answer is an error of the row', async (t) => {
  const target = createFake({
    send: () => async () => {
      await sleep(20);
      throw new Error('wrong bytes');
    },
  });
  const row = await measure({ target, options }, 'profile', 1);
  t.ok(row.errors > 0);
  t.ok((row.errorKinds['wrong bytes'] ?? 0) > 0);
});

test('a row without an answer has an error', async (t) => {
  const target = createFake({ send: () => () => sleep(1) });
  const none = { ...options, seconds: 0 };
  t.equal((await measure({ target, options: none }, 'profile', 1)).errors, 1);
});

test('an event that is missing from the log is an error of the row', async (t) => {
  const verify = () => Promise.reject(new Error('9 requests acknowledged, 8 events in the log'));
  const row = await measure({ target: createFake({ verify }), options }, 'profile', 1);
  t.equal(row.errors, 1);
});

test('the backlog of a row counts in its CPU, not in its rate', async (t) => {
  let backlogMs = 0;
  const target = createFake({
    send: () => async () => {
      await sleep(1);
      backlogMs = 600;
    },
    async isCaughtUp() {
      if (backlogMs > 0) burnCpu(200);
      backlogMs = Math.max(0, backlogMs - 200);
      return backlogMs === 0;
    },
  });
  const row = await measure({ target, options }, 'profile', 1);
  t.ok((row.cpuMs.service ?? 0) * row.requests > 300, 'CPU of the backlog');
  t.ok(row.catchUpSeconds > 0.5);
  t.ok(row.seconds < row.catchUpSeconds);
});

test('a trail that does not catch up in time is an error', async (t) => {
  const isCaughtUp = async () => false;
  await t.rejects(catchUp({ isCaughtUp }, 150), /the trail has not caught up in 0.15 s/);
});
