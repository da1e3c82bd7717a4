import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ListShardsCommand,
  MergeShardsCommand,
  PutRecordCommand,
  PutRecordsCommand,
  SplitShardCommand,
} from '@aws-sdk/client-kinesis';
import { sql } from 'kysely';
import { test } from 'tap';
import { startKinesis } from '@muniment/cluster';
import { canonicalJson } from '@muniment/audit-events';
import { acquireLease } from '@muniment/database';
import { timeBound, until } from '@muniment/testing';
import { sealBatch } from '../../sealing/seal-batch.ts';
import {
  STREAM,
  allStored,
  recordMany,
  startParts,
  storedIds,
  watermarks,
  type Parts,
} from '../parts.ts';
import { anEvent, asSent } from '../records.ts';

const held = async ({ db }: Parts) =>
  (
    await sql<{ owner: string; shards: number }>`
  select split_part(owner, '/', 1) as owner, count(*) as shards from audit.shards
  where not ended and expires_at > clock_timestamp() group by 1 order by 1`.execute(db)
  ).rows;

test('a recorded event arrives in the log once, then leaves the outbox', async (t) => {
  const parts = await startParts(t);
  parts.relay().start();
  parts.consumer().start();
  const ids = await recordMany(parts, 150);
  await allStored(parts, 150);
  t.same(await storedIds(parts.db), ids.toSorted());
  await until(
    async () =>
      (
        await sql<{ rows: number }>`select count(*) as rows from identity.outbox`.execute(
          parts.producer,
        )
      ).rows[0]?.rows === 0,
  );
  t.same(await watermarks(parts), { whole: true, numbers: 150 });
});

test('every record sent three times, out of order, is stored once', async (t) => {
  const parts = await startParts(t);
  const consumer = parts.consumer();
  consumer.start();
  const events = Array.from({ length: 200 }, (_, index) =>
    anEvent({ lane: index % 4, seq: Math.floor(index / 4) + 1 }),
  );
  await asSent(parts.producer, events);
  for (const round of [
    events,
    events.toReversed(),
    events.toSorted((a, b) => (a.seq % 7) - (b.seq % 7)),
  ]) {
    await parts.client.send(
      new PutRecordsCommand({
        StreamName: STREAM,
        Records: round.map((event) => ({
          Data: Buffer.from(canonicalJson(event)),
          PartitionKey: `user/${event.lane}`,
        })),
      }),
    );
  }
  await until(() => consumer.status().stored + consumer.status().duplicates === 600);
  t.match(consumer.status(), { stored: 200, duplicates: 400, quarantined: 0 });
  t.same(await storedIds(parts.db), events.map(({ id }) => id).toSorted());
  t.same(await watermarks(parts), { whole: true, numbers: 200 });
});

test('foreign records are quarantined with a reason, and the shard goes on', async (t) => {
  const parts = await startParts(t, { shards: 1 });
  const consumer = parts.consumer();
  consumer.start();
  parts.relay().start();
  await recordMany(parts, 5);
  const whole = canonicalJson(anEvent());
  const poison: [data: string, reason: string, detail: RegExp][] = [
    ['poison', 'unreadable', /JSON/],
    [whole.slice(0, 200), 'unreadable', /JSON/],
    [whole.replace('"version":1', '"version":2'), 'unreadable', /version/],
    [`{"filler":"${'x'.repeat(900_000)}"}`, 'unreadable', /9000\d\d bytes/],
    [whole.replace('"error":null', '"error":"\\ud800"'), 'unreadable', /canonical/],
    [canonicalJson(anEvent({ seq: 900_000_000 })), 'forged', /user\/3\/900000000/],
  ];
  for (const [data] of poison)
    await parts.client.send(
      new PutRecordCommand({ StreamName: STREAM, Data: Buffer.from(data), PartitionKey: 'x' }),
    );
  await recordMany(parts, 5);
  await allStored(parts, 10);
  await until(() => consumer.status().quarantined === poison.length);
  const kept = await parts.db
    .selectFrom('audit.quarantine')
    .select(['reason', 'detail', 'size', 'counted'])
    .orderBy('sequence_number')
    .execute();
  t.match(
    kept,
    poison.map(([data, reason, detail]) => ({
      reason,
      detail,
      size: Buffer.byteLength(data),
      counted: false,
    })),
  );
  await until(async () => Number((await watermarks(parts))?.numbers) === 10);
  t.same(
    await watermarks(parts),
    { whole: true, numbers: 10 },
    'no number is taken and no hole is left',
  );
});

test('splitting and merging a shard under load loses no event', async (t) => {
  const parts = await startParts(t, { shards: 1 });
  parts.relay().start();
  parts.consumer().start();
  const ids = await recordMany(parts, 40);
  await parts.client.send(
    new SplitShardCommand({
      StreamName: STREAM,
      ShardToSplit: 'shardId-000000000000',
      NewStartingHashKey: (2n ** 127n).toString(),
    }),
  );
  ids.push(...(await recordMany(parts, 40)));
  await until(async () => {
    const { Shards = [] } = await parts.client.send(new ListShardsCommand({ StreamName: STREAM }));
    return Shards.length === 3;
  });
  await sleep(50);
  await parts.client.send(
    new MergeShardsCommand({
      StreamName: STREAM,
      ShardToMerge: 'shardId-000000000001',
      AdjacentShardToMerge: 'shardId-000000000002',
    }),
  );
  ids.push(...(await recordMany(parts, 40)));
  await allStored(parts, 120, 30_000);
  t.same(await storedIds(parts.db), ids.toSorted());
  t.same(await watermarks(parts), { whole: true, numbers: 120 });
  await until(
    async () =>
      (
        await parts.db
          .selectFrom('audit.shards')
          .select('shard_id')
          .where('ended', '=', true)
          .execute()
      ).length === 3,
  );
  t.same(
    (await held(parts)).map(({ shards }) => shards),
    [1],
  );
});

test('a recreated stream is read from its start, and lost events arrive again', async (t) => {
  const path = join(t.testdir(), 'stream');
  const parts = await startParts(t, { kinesisPath: path });
  parts.relay({ resendAfterMs: 400 }).start();
  parts.consumer().start();
  const ids = await recordMany(parts, 20);
  await allStored(parts, 20);
  const [before] = await parts.db.selectFrom('audit.shards').select('stream_created').execute();
  // The local server tells streams apart by the second.
  await sleep(1_100);
  await parts.kinesis.stop();
  await rm(path, { recursive: true });
  ids.push(...(await recordMany(parts, 20)));
  const anew = await startKinesis({
    port: parts.kinesis.port,
    path,
    streams: [{ name: STREAM, shards: 2 }],
  });
  t.teardown(() => anew.stop());
  ids.push(...(await recordMany(parts, 20)));
  await allStored(parts, 60, 20_000);
  t.same(await storedIds(parts.db), ids.toSorted());
  t.same(await watermarks(parts), { whole: true, numbers: 60 });
  await until(async () => {
    const after = await parts.db.selectFrom('audit.shards').select('stream_created').execute();
    return (
      after.length === 2 &&
      after.every((row) => before && row.stream_created > before.stream_created)
    );
  });
  t.same(
    await parts.db.selectFrom('audit.stream_losses').select(['kind', 'shard_id']).execute(),
    [{ kind: 'made_anew', shard_id: null }],
    'and it is said',
  );
});

test('consumers share shards evenly, and a stop frees them within 1.5 seconds', async (t) => {
  const parts = await startParts(t, { shards: 4 });
  const [one, two] = [parts.consumer({ replica: 'one' }), parts.consumer({ replica: 'two' })];
  one.start();
  await until(async () => (await held(parts))[0]?.shards === 4);
  two.start();
  await until(
    async () => JSON.stringify((await held(parts)).map(({ shards }) => shards)) === '[2,2]',
  );
  const startedAt = performance.now();
  await one.stop();
  await until(async () =>
    (await held(parts)).some(({ owner, shards }) => owner === 'two' && shards === 4),
  );
  t.ok(
    performance.now() - startedAt < timeBound(1_500),
    `${Math.round(performance.now() - startedAt)} ms`,
  );
});

test('lanes are sealed in order without holes while shards and replicas change', async (t) => {
  const parts = await startParts(t, { shards: 2 });
  parts.relay().start();
  const first = parts.consumer({ replica: 'first' });
  first.start();
  const lease = await acquireLease(parts.db, {
    schema: 'audit',
    name: 'sealer',
    holder: 'a',
    ttlMs: 120_000,
  });
  if (!lease) throw new Error('the sealer has another holder');
  let isFlowing = true;
  const seal = (async () => {
    while (isFlowing) {
      await sealBatch(parts.db, lease, { limit: 200 });
      await sleep(50);
    }
  })();
  const ids: string[] = [];
  // Few subjects, so that each lane has many events to keep in order.
  const subjects = Array.from({ length: 8 }, () => randomUUID());
  const flow = (async () => {
    for (let n = 0; isFlowing; n += 1)
      ids.push(await parts.record({ subject: { userId: subjects[n % 8] ?? '' } }));
  })();
  const shards = async (count: number) =>
    until(
      async () =>
        ((await parts.client.send(new ListShardsCommand({ StreamName: STREAM }))).Shards ?? [])
          .length === count,
    );
  await sleep(400);
  await parts.client.send(
    new SplitShardCommand({
      StreamName: STREAM,
      ShardToSplit: 'shardId-000000000000',
      NewStartingHashKey: (2n ** 126n).toString(),
    }),
  );
  await shards(4);
  const second = parts.consumer({ replica: 'second' });
  second.start();
  await sleep(1_000);
  await parts.client.send(
    new MergeShardsCommand({
      StreamName: STREAM,
      ShardToMerge: 'shardId-000000000002',
      AdjacentShardToMerge: 'shardId-000000000003',
    }),
  );
  await shards(5);
  await first.stop();
  await sleep(1_000);
  parts.consumer({ replica: 'third' }).start();
  await sleep(500);
  isFlowing = false;
  await Promise.all([flow, seal]);
  await allStored(parts, ids.length, 40_000);
  while ((await sealBatch(parts.db, lease, { limit: 1_000 })).sealed > 0);
  const sealed = await parts.db
    .selectFrom('audit.sealed as s')
    .innerJoin('audit.events as e', 'e.id', 's.event_id')
    .select(['e.id', 'e.lane', 'e.seq'])
    .orderBy('s.index')
    .execute();
  t.same(sealed.map(({ id }) => id).toSorted(), ids.toSorted());
  const next = new Map<number, number>();
  t.notOk(
    sealed.some(({ lane, seq }) => {
      const expected = (next.get(lane) ?? 0) + 1;
      next.set(lane, seq);
      return seq !== expected;
    }),
    'each lane by its numbers',
  );
  t.same(await watermarks(parts), { whole: true, numbers: ids.length });
  t.comment(`${ids.length} events`);
});

test('as replicas come and go the shards are shared out anew, each with one holder', async (t) => {
  const parts = await startParts(t, { shards: 6 });
  const shared = (expected: Record<string, number>) =>
    until(async () => {
      const now = Object.fromEntries(
        (await held(parts)).map(({ owner, shards }) => [owner, shards]),
      );
      return JSON.stringify(now) === JSON.stringify(expected);
    });
  const [a, b, c] = ['a', 'b', 'c'].map((replica) => parts.consumer({ replica }));
  a?.start();
  await shared({ a: 6 });
  b?.start();
  c?.start();
  await shared({ a: 2, b: 2, c: 2 });
  await a?.stop();
  await shared({ b: 3, c: 3 });
  await Promise.all([b?.stop(), c?.stop()]);
  await shared({});
  parts.consumer({ replica: 'd' }).start();
  await shared({ d: 6 });
  t.pass();
});

test('from commit to log it takes less than 300 ms as a rule', async (t) => {
  const parts = await startParts(t);
  const relay = parts.relay();
  relay.start();
  parts.consumer().start();
  await recordMany(parts, 1);
  await allStored(parts, 1);
  const times: number[] = [];
  for (let n = 0; n < 20; n += 1) {
    await sleep(37);
    const id = await parts.record();
    const startedAt = performance.now();
    relay.wake();
    while (
      !(await parts.db
        .selectFrom('audit.events')
        .select('id')
        .where('id', '=', id)
        .executeTakeFirst())
    )
      await sleep(5);
    times.push(performance.now() - startedAt);
  }
  const sorted = times.toSorted((a, b) => a - b);
  t.comment(`p50 ${Math.round(sorted[10] ?? 0)} ms, p95 ${Math.round(sorted[18] ?? 0)} ms`);
  // Twice the goal, since tests share their two cores; the goal itself is measured by the bench.
  t.ok((sorted[10] ?? Infinity) < timeBound(600), `${Math.round(sorted[10] ?? 0)} ms`);
});
