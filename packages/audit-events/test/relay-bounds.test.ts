import { test } from 'tap';
import { until } from '@muniment/testing';
import type { AuditEvent } from '../src/event.ts';
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
  type Producer,
} from './parts.ts';

const STUCK = '018f0000-0000-7000-8000-00000000000a';
/** Subjects of other lanes than the stuck one's. */
const OTHERS = ['018f0000-0000-7000-8000-00000000000b', '018f0000-0000-7000-8000-00000000000c'];

async function record(
  { db, recordEvent }: Producer,
  userId: string,
  count: number,
): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1)
    ids.push(await recordEvent(db, aRequest({ subject: { userId } })));
  return ids;
}

const sentIds = (events: readonly AuditEvent[]): Set<string> => new Set(events.map(({ id }) => id));

test('a lane of which nothing is stored stops no other lane', async (t) => {
  const producer = await startProducer(t);
  const kinesis = connect(t, (await startStream(t)).port);
  startRelay(t, producer, kinesis, { maxUnstored: 5 });
  const first = await record(producer, STUCK, 1);
  await until(async () => (await readStream(kinesis)).length === 1, { what: 'the first is sent' });
  await record(producer, STUCK, 700);
  await until(async () => (await outboxRows(producer.db)).some(({ seq }) => (seq ?? 0) >= 5));
  // Each twice: at the second time its lane is counted too.
  for (const other of [...OTHERS, ...OTHERS]) {
    const ids = await record(producer, other, 3);
    await until(() => allSent(ids, kinesis), { what: 'the other lanes go on' });
  }
  t.ok(await allSent(first, kinesis));
  const waiting = (await outboxRows(producer.db)).filter(({ seq }) => seq === null);
  t.ok(waiting.length > 0, 'the stuck lane waits');
});

async function allSent(ids: readonly string[], kinesis: Parameters<typeof readStream>[0]) {
  const sent = sentIds(await readStream(kinesis));
  return ids.every((id) => sent.has(id));
}

test('a full lane goes on once its rows are stored, as often as it is full', async (t) => {
  const producer = await startProducer(t);
  const kinesis = connect(t, (await startStream(t)).port);
  startRelay(t, producer, kinesis, { maxUnstored: 5 });
  const ids: string[] = [];
  for (let round = 0; round < 4; round += 1) {
    ids.push(...(await record(producer, STUCK, 5)));
    await until(() => allSent(ids, kinesis), { what: `round ${round} is sent` });
    await markStored(producer.audit, (await readStream(kinesis)).slice(-5));
    await until(async () => (await outboxRows(producer.db)).length === 0, {
      what: `round ${round} is deleted`,
    });
  }
  t.same(numberingFaults(await readStream(kinesis)), []);
});
