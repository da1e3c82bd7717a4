import { test } from 'tap';
import { until } from '@muniment/testing';
import { HistoryAltered } from '../../errors.ts';
import { createHistoryAlarm } from '../../sealing/history-alarm.ts';
import { silent } from '../parts.ts';
import { inLane, range, readLog, store } from './sealed-log.ts';
import { openCertifiedLog, type CertifiedLog } from './signer-parts.ts';

const PAUSE_MS = 50;

test('an outage is no alarm: it passes, and nothing is raised', async (t) => {
  const alarm = createHistoryAlarm({ ...silent, error() {} });
  const outage = new Error('the bucket is away');
  await t.rejects(
    alarm.guard(() => Promise.reject(outage), PAUSE_MS),
    outage,
  );
  t.equal(alarm.state(), undefined);
  alarm.requireNone();
});

test('an altered history raises the alarm until it is cleared, and is logged once', async (t) => {
  const logged: object[] = [];
  const alarm = createHistoryAlarm({ ...silent, error: (details) => void logged.push(details) });
  const round = () => Promise.reject(new HistoryAltered('the tree is another'));
  t.equal(await alarm.guard(round, PAUSE_MS), PAUSE_MS);
  const { since } = alarm.state() ?? {};
  t.equal(await alarm.guard(round, PAUSE_MS), PAUSE_MS);
  t.match(alarm.state(), { reason: /the tree is another/, since });
  t.throws(() => alarm.requireNone(), HistoryAltered);
  t.equal(logged.length, 1);
  alarm.clear();
  alarm.requireNone();
});

/** Ten sealed, signed and published events, and then another tree. */
async function openAlteredLog(log: CertifiedLog): Promise<void> {
  const running = log.sealer();
  running.start();
  await store(log.db, inLane(3, range(1, 10)));
  await until(() => running.status().published === 10, { what: 'the checkpoint of 10 leaves' });
  await running.stop();
  const { edge } = await log.db.selectFrom('audit.tree').select('edge').executeTakeFirstOrThrow();
  await log.db
    .updateTable('audit.tree')
    .set({ edge: Buffer.alloc(edge.length, 9) })
    .execute();
  await store(log.db, inLane(4, range(1, 5)));
}

const largestCheckpoint = async ({ db }: CertifiedLog): Promise<number | undefined> => {
  const row = await db
    .selectFrom('audit.checkpoints')
    .select('size')
    .orderBy('size', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.size;
};

test('a fresh replica seals and signs nothing on a tree that was altered', async (t) => {
  const log = await openCertifiedLog(t);
  await openAlteredLog(log);
  const fresh = log.sealer();
  fresh.start();
  await until(() => fresh.status().alarm !== undefined, { what: 'the alarm' });
  t.equal((await readLog(log.db)).length, 10);
  t.equal(await largestCheckpoint(log), 10);
});

test('a bucket without objections ends no alarm of the database', async (t) => {
  const log = await openCertifiedLog(t);
  await openAlteredLog(log);
  const signer = log.signer();
  let compared = 0;
  let published = 0;
  const running = log.sealer({
    leaseTtlMs: 300,
    signer: {
      ...signer,
      verify() {
        compared += 1;
        return signer.verify();
      },
    },
    publisher: {
      publish: () => Promise.resolve(void (published += 1)),
      recheck() {},
      published: () => undefined,
    },
  });
  running.start();
  // The first comparison is the start's; the others would end the alarm.
  await until(() => compared >= 3 || published > 0, { what: 'the alarm is looked into again' });
  t.match(running.status().alarm, { reason: /does not begin with the 10/ });
  t.equal(published, 0);
  t.equal((await readLog(log.db)).length, 10);
});
