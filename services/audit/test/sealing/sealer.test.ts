import { setTimeout as sleep } from 'node:timers/promises';
import { startS3 } from '@muniment/cluster';
import { test } from 'tap';
import { releaseLease } from '@muniment/database';
import { signNote } from '@muniment/audit-key';
import { formatCheckpoint } from '@muniment/audit-verify';
import { connectSuperuser, rowsOf, timeBound, until, untilBlocked } from '@muniment/testing';
import { HistoryAltered } from '../../errors.ts';
import { sealBatch } from '../../sealing/seal-batch.ts';
import { checkSealer } from '../../sealing/sealer.ts';
import { anEvent } from '../records.ts';
import { inLane, range, readLog, sealerLease, store, type Log } from './sealed-log.ts';
import { openCertifiedLog, ORIGIN } from './signer-parts.ts';

const isSealed = ({ db }: Log, count: number): Promise<boolean> =>
  until(async () => (await readLog(db)).length >= count, { timeoutMs: timeBound(10_000) });

test('what is stored is sealed within 100 ms', async (t) => {
  const log = await openCertifiedLog(t);
  const running = log.sealer({ pollMs: 50 });
  running.start();
  await until(() => running.status().holder);
  const waits: number[] = [];
  for (let seq = 1; seq <= 30; seq += 1) {
    await store(log.db, inLane(3, [seq]));
    const storedAt = performance.now();
    while (
      (
        await log.db
          .selectFrom('audit.sealed')
          .select('index')
          .where('index', '=', seq - 1)
          .execute()
      ).length === 0
    );
    waits.push(performance.now() - storedAt);
  }
  // The sixth quickest: other tests on the machine delay the slow ones.
  const quick = waits.toSorted((a, b) => a - b)[5] ?? 0;
  t.ok(quick <= timeBound(100, 1_000), `${quick} ms`);
  await until(() => running.status().sealed === 30);
  t.match(running.status(), { size: 30, unsealed: 0, oldestUnsealedMs: 0 });
});

test('of several sealers one seals; the next takes over at once when it stops', async (t) => {
  const log = await openCertifiedLog(t);
  const [first, second] = [
    log.sealer({ leaseTtlMs: 30_000, replica: 'same' }),
    log.sealer({ leaseTtlMs: 900, replica: 'same' }),
  ];
  first.start();
  await until(() => first.status().holder);
  second.start();
  await store(log.db, inLane(3, range(1, 10)));
  await isSealed(log, 10);
  t.notOk(second.status().holder);
  await first.stop();
  await store(log.db, inLane(4, range(1, 10)));
  await isSealed(log, 20);
  await until(() => second.status().sealed === 10);
  t.equal(first.status().sealed, 10);
});

test('who does not seal sees what stays unsealed, and its age', async (t) => {
  const log = await openCertifiedLog(t);
  await log.db
    .insertInto('audit.leases' as never)
    .values({
      name: 'sealer',
      holder: 'dead',
      epoch: 1,
      expires_at: new Date(Date.now() + 60_000),
    } as never)
    .execute();
  const waiting = log.sealer();
  waiting.start();
  await store(log.db, [
    anEvent({ lane: 3, seq: 1, timestamp: new Date(Date.now() - 90_000).toISOString() }),
  ]);
  await until(() => waiting.status().unsealed === 1);
  t.ok(waiting.status().oldestUnsealedMs >= 90_000);
});

test('a checkpoint is signed at the start and after each change', async (t) => {
  const log = await openCertifiedLog(t);
  const running = log.sealer();
  const sizes = async (): Promise<number[]> =>
    (await log.db.selectFrom('audit.checkpoints').select('size').orderBy('size').execute()).map(
      ({ size }) => size,
    );
  running.start();
  await until(async () => (await sizes()).length === 1);
  await store(log.db, inLane(3, range(1, 10)));
  await until(async () => (await sizes()).at(-1) === 10);
  const before = await sizes();
  await sleep(400);
  t.same(await sizes(), before);
  t.match(running.status(), { checkpoint: { size: 10 }, alarm: undefined });
  await until(async () => (await log.objects()).length === before.length);
});

test('killed between sealing and signing: the successor signs what was sealed', async (t) => {
  const log = await openCertifiedLog(t);
  await store(log.db, inLane(3, range(1, 10)));
  const dead = await sealerLease(log.db, 'dead');
  await sealBatch(log.db, dead, { limit: 100 });
  await releaseLease(log.db, dead);
  const successor = log.sealer();
  successor.start();
  await until(() => successor.status().checkpoint?.size === 10);
  t.equal((await readLog(log.db)).length, 10);
});

test('sealing and signing go on without S3, and the bucket catches up', async (t) => {
  const log = await openCertifiedLog(t);
  const port = Number(new URL(log.s3.endpoint).port);
  await log.s3.stop();
  const running = log.sealer();
  running.start();
  await store(log.db, inLane(3, range(1, 10)));
  await until(() => running.status().checkpoint?.size === 10);
  t.equal(running.status().published, undefined);
  const again = await startS3({
    dir: t.testdirName,
    buckets: ['audit'],
    durable: false,
    port,
    accessKeyId: 'local',
    secretAccessKey: 'local',
  });
  t.teardown(() => again.stop());
  await until(() => running.status().published === 10);
});

test('an altered log is neither sealed nor signed until it is repaired', async (t) => {
  const log = await openCertifiedLog(t);
  const running = log.sealer();
  running.start();
  await store(log.db, inLane(3, range(1, 10)));
  await until(() => running.status().checkpoint?.size === 10);
  checkSealer(running.status());
  const { size, edge } = await log.db
    .selectFrom('audit.tree')
    .select(['size', 'edge'])
    .executeTakeFirstOrThrow();
  await log.db
    .updateTable('audit.tree')
    .set({ edge: Buffer.alloc(edge.length, 9) })
    .execute();
  await until(() => running.status().alarm !== undefined);
  t.throws(() => checkSealer(running.status()), /does not begin with the 10 that were signed/);
  await store(log.db, inLane(4, range(1, 5)));
  await sleep(500);
  t.equal((await readLog(log.db)).length, 10);
  t.equal(
    (await log.db.selectFrom('audit.checkpoints').select('size').execute()).filter(
      (one) => one.size > 10,
    ).length,
    0,
  );
  await log.db.updateTable('audit.tree').set({ size, edge }).execute();
  await until(() => running.status().checkpoint?.size === 15);
  t.equal(running.status().alarm, undefined);
});

test('an alarm raised while a batch is sealed stops that very batch', async (t) => {
  const log = await openCertifiedLog(t);
  const superuser = await connectSuperuser(t, log.database);
  const signer = log.signer();
  const publisher = log.publisher(signer);
  let raise: ((error: Error) => void) | undefined;
  const running = log.sealer({
    signer,
    leaseTtlMs: 5_000,
    publisher: {
      ...publisher,
      publish: () => new Promise<void>((_, reject) => void (raise = reject)),
    },
  });
  running.start();
  await until(() => running.status().checkpoint?.size === 0);
  await superuser.query('begin');
  await superuser.query('select from audit.tree for update');
  await store(log.db, inLane(3, range(1, 5)));
  await untilBlocked(rowsOf(superuser), 'the batch waits for the head');
  raise?.(new HistoryAltered('the bucket has another checkpoint'));
  await until(() => running.status().alarm !== undefined, { what: 'the alarm' });
  await superuser.query('commit');
  await sleep(300);
  t.equal((await readLog(log.db)).length, 0);
  raise?.(new HistoryAltered('the bucket has another checkpoint'));
});

test('a repaired tree ends no alarm while the bucket holds what it contradicts', async (t) => {
  const log = await openCertifiedLog(t);
  const running = log.sealer();
  running.start();
  await store(log.db, inLane(3, range(1, 10)));
  await until(() => running.status().published === 10);
  const { edge } = await log.db.selectFrom('audit.tree').select('edge').executeTakeFirstOrThrow();
  const setEdge = (bytes: Buffer) =>
    log.db.updateTable('audit.tree').set({ edge: bytes }).execute();
  await setEdge(Buffer.alloc(edge.length, 9));
  await until(() => running.status().alarm !== undefined);
  const forged = { origin: ORIGIN, size: 12, root: Buffer.alloc(32, 1) };
  await log.bucket.put(
    'checkpoints/0000000000000012',
    await signNote(formatCheckpoint(forged), log.keys.signers),
  );
  await setEdge(edge);
  await store(log.db, inLane(4, range(1, 5)));
  await until(() => /and 12 were signed/.test(running.status().alarm?.reason ?? ''), {
    what: 'the alarm names the checkpoint in the bucket',
  });
  t.equal((await readLog(log.db)).length, 10);
});

test('readiness tells of sealing that stands still', (t) => {
  const idle = {
    holder: false,
    size: 1,
    lastSealedAt: undefined,
    unsealed: 0,
    oldestUnsealedMs: 0,
    sealed: 0,
    checkpoint: undefined,
    published: undefined,
    alarm: undefined,
  };
  checkSealer(idle);
  checkSealer({ ...idle, unsealed: 5, oldestUnsealedMs: 59_000 });
  t.throws(
    () => checkSealer({ ...idle, unsealed: 5, oldestUnsealedMs: 61_000 }),
    /5 stored events are not sealed/,
  );
  t.end();
});
