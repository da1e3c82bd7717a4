import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { test } from 'tap';
import { startFaultProxy } from '@muniment/cluster';
import { acquireLease, releaseLease } from '@muniment/database';
import { timeBound, until } from '@muniment/testing';
import { putBatch } from '../src/kinesis.ts';
import { claimRows } from '../src/outbox.ts';
import {
  aRequest,
  connect,
  markStored,
  numberingFaults,
  outboxRows,
  readStream,
  startProducer,
  startRelay,
  startStream,
} from './parts.ts';
import { STREAM, type Producer } from './parts.ts';

async function recordMany({ db, recordEvent }: Producer, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) ids.push(await recordEvent(db, aRequest()));
  return ids;
}

const distinct = (ids: readonly string[]): string[] => [...new Set(ids)].sort();

test('rows numbered by a killed relay are sent under the same numbers', async (t) => {
  const producer = await startProducer(t);
  const kinesis = connect(t, (await startStream(t)).port);
  const ids = await recordMany(producer, 40);
  const dead = await acquireLease(producer.db, {
    schema: 'identity',
    name: 'relay',
    holder: 'dead',
    ttlMs: 60_000,
  });
  if (!dead) return t.fail('no lease');
  t.equal((await claimRows(producer.db, dead, { limit: 25 }))?.length, 25);
  await releaseLease(producer.db, dead);

  startRelay(t, producer, kinesis);
  await until(async () => distinct((await readStream(kinesis)).map(({ id }) => id)).length === 40);
  const events = await readStream(kinesis);
  t.same(distinct(events.map(({ id }) => id)), ids.toSorted());
  t.same(numberingFaults(events), []);
});

test('rows sent by a killed relay are sent again under the same numbers', async (t) => {
  const producer = await startProducer(t);
  const kinesis = connect(t, (await startStream(t)).port);
  await recordMany(producer, 20);
  const dead = await acquireLease(producer.db, {
    schema: 'identity',
    name: 'relay',
    holder: 'dead',
    ttlMs: 60_000,
  });
  if (!dead) return t.fail('no lease');
  await putBatch(
    { kinesis, stream: STREAM },
    'user',
    (await claimRows(producer.db, dead, { limit: 500 })) ?? [],
  );
  await releaseLease(producer.db, dead);

  await recordMany(producer, 20);
  startRelay(t, producer, kinesis);
  await until(async () => distinct((await readStream(kinesis)).map(({ id }) => id)).length === 40);
  await until(async () => (await readStream(kinesis)).length >= 60);
  const events = await readStream(kinesis);
  t.same(numberingFaults(events), []);
});

test('numbers go on when a relay starts anew after all was stored', async (t) => {
  const producer = await startProducer(t);
  const kinesis = connect(t, (await startStream(t)).port);
  const first = startRelay(t, producer, kinesis);
  await recordMany(producer, 30);
  await until(async () => distinct((await readStream(kinesis)).map(({ id }) => id)).length === 30);
  await markStored(producer.audit, await readStream(kinesis));
  await until(async () => (await outboxRows(producer.db)).length === 0);
  await first.stop();

  startRelay(t, producer, kinesis);
  await recordMany(producer, 30);
  await until(async () => distinct((await readStream(kinesis)).map(({ id }) => id)).length === 60);
  t.same(numberingFaults(await readStream(kinesis)), []);
});

test('records of a wiped stream that were not stored are sent again', async (t) => {
  const producer = await startProducer(t);
  const path = join(t.testdir(), 'stream');
  const before = await startStream(t, { path });
  const { port } = before;
  const kinesis = connect(t, port);
  startRelay(t, producer, kinesis, { resendAfterMs: 300 });
  const ids = await recordMany(producer, 30);
  await until(async () => distinct((await readStream(kinesis)).map(({ id }) => id)).length === 30);
  const stored = [
    ...new Map(
      (await readStream(kinesis)).filter(({ seq }) => seq === 1).map((event) => [event.id, event]),
    ).values(),
  ];
  await markStored(producer.audit, stored);
  await until(async () => (await outboxRows(producer.db)).length === 30 - stored.length);

  await before.stop();
  await rm(path, { recursive: true });
  const after = connect(t, (await startStream(t, { path, port })).port);
  const storedIds = new Set(stored.map(({ id }) => id));
  const missing = ids.filter((id) => !storedIds.has(id));
  t.ok(missing.length > 0);
  await until(
    async () => distinct((await readStream(after)).map(({ id }) => id)).length === missing.length,
  );
  t.same(distinct((await readStream(after)).map(({ id }) => id)), missing.toSorted());
});

test('records that a throttled shard refuses are sent again, exactly those', async (t) => {
  const producer = await startProducer(t);
  const stream = await startStream(t);
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: stream.port } });
  t.teardown(() => proxy.stop());
  proxy.mode({ throttle: 'kinesis', partial: 0.4 });
  const ids = await recordMany(producer, 300);
  const relay = startRelay(t, producer, connect(t, proxy.port), { leaseTtlMs: 15_000 });
  await until(() => relay.status().sent === 300);
  await sleep(300);
  const events = await readStream(connect(t, stream.port));
  t.same(
    events.map(({ id }) => id).toSorted(),
    ids.toSorted(),
    'each event lies in the stream once',
  );
  t.same(numberingFaults(events), []);
});

test('after an outage of the stream the whole outbox arrives', async (t) => {
  const producer = await startProducer(t);
  const stream = await startStream(t);
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: stream.port } });
  t.teardown(() => proxy.stop());
  proxy.mode('refuse');
  const warnings: string[] = [];
  const relay = startRelay(t, producer, connect(t, proxy.port), {
    leaseTtlMs: 1_500,
    log: { info() {}, warn: (_details, message) => void warnings.push(message) },
  });
  const ids = await recordMany(producer, 50);
  await until(() => relay.status().streamDownSince !== undefined);
  await sleep(2_000);
  t.equal((await outboxRows(producer.db)).length, 50);
  t.equal(relay.status().leading, true, 'an outage longer than the lease does not cost it');
  t.equal(warnings.filter((message) => message.includes('refuses')).length, 1, 'said once');

  proxy.mode('pass');
  const kinesis = connect(t, stream.port);
  await until(async () => distinct((await readStream(kinesis)).map(({ id }) => id)).length === 50);
  t.same(distinct((await readStream(kinesis)).map(({ id }) => id)), ids.toSorted());
  await until(() => relay.status().streamDownSince === undefined);
});

test('one of several relays leads, and its successor repeats no number', async (t) => {
  const producer = await startProducer(t);
  const kinesis = connect(t, (await startStream(t)).port);
  const relays = [1, 2, 3].map(() => startRelay(t, producer, kinesis, { leaseTtlMs: 3_000 }));
  await until(() => relays.some((relay) => relay.status().leading));
  t.equal(relays.filter((relay) => relay.status().leading).length, 1);
  const recording = recordMany(producer, 200);
  await sleep(50);
  await relays.find((relay) => relay.status().leading)?.stop();
  const ids = await recording;
  await until(async () => distinct((await readStream(kinesis)).map(({ id }) => id)).length === 200);
  const events = await readStream(kinesis);
  t.same(distinct(events.map(({ id }) => id)), ids.toSorted());
  t.same(numberingFaults(events), []);
});

test('relays that keep losing their lease neither repeat nor lose a number', async (t) => {
  const producer = await startProducer(t);
  const kinesis = connect(t, (await startStream(t)).port);
  // The lease is far shorter than a round, so each relay is fenced during its work.
  for (let n = 0; n < 3; n += 1) startRelay(t, producer, kinesis, { leaseTtlMs: 40 });
  const ids = await recordMany(producer, 150);
  await until(async () => distinct((await readStream(kinesis)).map(({ id }) => id)).length === 150);
  t.same(distinct((await readStream(kinesis)).map(({ id }) => id)), ids.toSorted());
  t.same(numberingFaults(await readStream(kinesis)), []);
});

test('unstored rows are sent again ever more rarely, until something is stored', async (t) => {
  const producer = await startProducer(t);
  const kinesis = connect(t, (await startStream(t)).port);
  const relay = startRelay(t, producer, kinesis, { resendAfterMs: 100, leaseTtlMs: 3_000 });
  await recordMany(producer, 1);
  await sleep(5_000);
  const copies = relay.status().resent;
  t.ok(copies >= 2 && copies <= 9, `${copies} instead of 20 (a look each 250 ms)`);
  await markStored(producer.audit, await readStream(kinesis));
  await until(async () => (await outboxRows(producer.db)).length === 0);
  await recordMany(producer, 1);
  const before = relay.status().resent;
  await until(() => relay.status().resent > before, { timeoutMs: timeBound(3_000) });
});

test('a poke brings an event to the stream well before the next look', async (t) => {
  const producer = await startProducer(t);
  const kinesis = connect(t, (await startStream(t)).port);
  const relay = startRelay(t, producer, kinesis, { idleMs: 2_000 });
  await until(() => relay.status().leading);
  const times: number[] = [];
  for (let n = 0; n < 10; n += 1) {
    const before = relay.status().sent;
    await producer.recordEvent(producer.db, aRequest());
    const startedAt = performance.now();
    relay.wake();
    while (relay.status().sent === before) await sleep(1);
    times.push(performance.now() - startedAt);
  }
  const median = times.toSorted((a, b) => a - b)[5] ?? Infinity;
  t.ok(median < timeBound(500, 1_500), `median ${Math.round(median)} ms, looking each 2000 ms`);
});

test('at rest a relay keeps its lease, and announces an event of which nobody was told', async (t) => {
  const producer = await startProducer(t);
  const kinesis = connect(t, (await startStream(t)).port);
  let announced = 0;
  const relay = startRelay(t, producer, kinesis, {
    leaseTtlMs: 1_500,
    isResting: () => true,
    onUnannounced: () => (announced += 1),
  });
  await until(() => relay.status().leading);
  // Three times the time to live.
  await sleep(4_500);
  const { rows } = await sql`select epoch from identity.leases where name = 'relay'`.execute(
    producer.db,
  );
  t.strictSame(rows, [{ epoch: 1 }]);
  t.equal(announced, 0);
  await recordMany(producer, 2);
  await until(() => relay.status().sent === 2, { timeoutMs: timeBound(2_000, 4_000) });
  t.ok(announced >= 1);
});
