import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { startFaultProxy } from '@muniment/cluster';
import { createDatabase } from '@muniment/database';
import type { Tables } from '../../tables.ts';
import { allStored, recordMany, startParts, storedIds, until, watermarks } from '../parts.ts';

test('the stream out of reach and back: the consumer goes on by itself and says so once', async (t) => {
  const parts = await startParts(t);
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: parts.kinesis.port } });
  t.teardown(() => proxy.stop());
  const warnings: string[] = [];
  const consumer = parts.consumer({ kinesis: parts.connect(proxy), log: { info() {}, warn: (details, message) => void warnings.push(`${JSON.stringify(details)} ${message}`) } });
  parts.relay().start();
  consumer.start();
  await recordMany(parts, 5);
  await allStored(parts, 5);
  proxy.mode('refuse');
  await until(() => consumer.status().streamDownSince !== undefined);
  const ids = await recordMany(parts, 20);
  await sleep(1_500);
  t.equal(warnings.length, 1, warnings.join('\n'));
  proxy.mode('pass');
  await allStored(parts, 25);
  t.equal(consumer.status().streamDownSince, undefined);
  for (const id of ids) t.ok((await storedIds(parts.db)).includes(id));
});

test('throttled reads are retried and not taken for an outage', async (t) => {
  const parts = await startParts(t);
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: parts.kinesis.port } });
  t.teardown(() => proxy.stop());
  const warnings: string[] = [];
  proxy.mode({ throttle: 'kinesis', probability: 0.6 });
  parts.relay().start();
  parts.consumer({ kinesis: parts.connect(proxy), log: { info() {}, warn: (_details, message) => void warnings.push(message) } }).start();
  await recordMany(parts, 30);
  await allStored(parts, 30, 20_000);
  t.same(warnings, []);
});

test('PostgreSQL out of reach and back: nothing is lost or doubled, and it is said once', async (t) => {
  const parts = await startParts(t);
  const url = new URL(parts.database.url('audit_service'));
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: Number(url.port) } });
  t.teardown(() => proxy.stop());
  url.port = String(proxy.port);
  const { db } = createDatabase<Tables>({ url: url.href, applicationName: 'test-faulty' });
  t.teardown(() => db.destroy());
  const warnings: string[] = [];
  const consumer = parts.consumer({ db, log: { info() {}, warn: (details, message) => void warnings.push(`${JSON.stringify(details)} ${message}`) } });
  parts.relay().start();
  consumer.start();
  const ids = await recordMany(parts, 10);
  await allStored(parts, 10);
  proxy.mode('refuse');
  await until(() => consumer.status().databaseDownSince !== undefined);
  ids.push(...await recordMany(parts, 30));
  await sleep(2_000);
  t.equal(warnings.length, 1, warnings.join('\n'));
  proxy.mode('pass');
  await allStored(parts, 40);
  t.same(await storedIds(parts.db), ids.toSorted());
  t.same(await watermarks(parts), { whole: true, numbers: 40 });
});
