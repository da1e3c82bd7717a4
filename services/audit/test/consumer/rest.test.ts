import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { createWakeUp } from '@muniment/security';
import { timeBound, until } from '@muniment/testing';
import { allStored, recordMany, startParts } from '../parts.ts';

test('a resting consumer keeps its shards, and reads at once when the rest ends', async (t) => {
  const parts = await startParts(t);
  const work = createWakeUp();
  let isResting = true;
  const consumer = parts.consumer({
    leaseTtlMs: 600,
    rest: { isResting: () => isResting, untilWork: work.wait },
  });
  consumer.start();
  await until(() => consumer.status().shards === 2);
  await sleep(3_000);
  const shards = await parts.db.selectFrom('audit.shards').select('epoch').execute();
  t.strictSame(shards, [{ epoch: 1 }, { epoch: 1 }], 'no lease ran out');
  const relay = parts.relay();
  relay.start();
  await recordMany(parts, 3);
  await until(() => relay.status().sent === 3);
  const endedAt = performance.now();
  isResting = false;
  work.wake();
  consumer.wake();
  await allStored(parts, 3);
  t.ok(performance.now() - endedAt < timeBound(1_000, 4_000));
});
