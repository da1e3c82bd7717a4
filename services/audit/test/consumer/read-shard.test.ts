import { once } from 'node:events';
import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ExpiredIteratorException,
  LimitExceededException,
  ProvisionedThroughputExceededException,
  SplitShardCommand,
} from '@aws-sdk/client-kinesis';
import { test } from 'tap';
import { startFaultProxy } from '@muniment/cluster';
import { createDatabase } from '@muniment/database';
import { connectSuperuser, timeBound, until } from '@muniment/testing';
import type { Tables } from '../../tables.ts';
import { STREAM, allStored, recordMany, startParts, storedIds, watermarks } from '../parts.ts';

test('the consumer resumes by itself after an outage of the stream', async (t) => {
  const parts = await startParts(t);
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: parts.kinesis.port } });
  t.teardown(() => proxy.stop());
  const warnings: string[] = [];
  const consumer = parts.consumer({
    kinesis: parts.connect(proxy),
    log: {
      info() {},
      warn: (details, message) => void warnings.push(`${JSON.stringify(details)} ${message}`),
    },
  });
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

/** A machine that stands still for seconds makes other failures, which are outages. */
const isThrottling = (error: unknown): boolean =>
  error instanceof ProvisionedThroughputExceededException ||
  error instanceof LimitExceededException;

test('throttled reads are retried and not taken for an outage', async (t) => {
  const parts = await startParts(t);
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: parts.kinesis.port } });
  t.teardown(() => proxy.stop());
  const failures: unknown[] = [];
  proxy.mode({ throttle: 'kinesis', probability: 0.6 });
  parts.relay().start();
  parts
    .consumer({
      kinesis: parts.connect(proxy),
      log: { info() {}, warn: (details) => void failures.push(Object(details).err) },
    })
    .start();
  await recordMany(parts, 30);
  await allStored(parts, 30, 20_000);
  t.same(failures.filter(isThrottling), []);
});

test('a throttled listing of the stream is not an outage', async (t) => {
  const parts = await startParts(t, { shards: 1 });
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: parts.kinesis.port } });
  t.teardown(() => proxy.stop());
  const failures: unknown[] = [];
  const consumer = parts.consumer({
    kinesis: parts.connect(proxy),
    listEveryMs: 100,
    log: { info() {}, warn: (details) => void failures.push(Object(details).err) },
  });
  proxy.mode({
    throttle: 'kinesis',
    actions: ['DescribeStreamSummary', 'ListShards', 'GetShardIterator'],
  });
  consumer.start();
  parts.relay().start();
  await recordMany(parts, 5);
  await sleep(1_500);
  t.equal(consumer.status().streamDownSince, undefined);
  proxy.mode({
    throttle: 'kinesis',
    actions: ['DescribeStreamSummary', 'ListShards', 'GetShardIterator'],
    probability: 0.6,
  });
  await allStored(parts, 5);
  await parts.client.send(
    new SplitShardCommand({
      StreamName: STREAM,
      ShardToSplit: 'shardId-000000000000',
      NewStartingHashKey: (2n ** 127n).toString(),
    }),
  );
  await sleep(100);
  await recordMany(parts, 20);
  await allStored(parts, 25);
  t.same(failures.filter(isThrottling), []);
  t.equal(consumer.status().streamDownSince, undefined);
});

test('while nothing can be stored, the reported lag grows', async (t) => {
  const parts = await startParts(t, { shards: 1 });
  const superuser = await connectSuperuser(t, parts.database);
  const consumer = parts.consumer();
  parts.relay().start();
  consumer.start();
  await recordMany(parts, 5);
  await allStored(parts, 5);
  await superuser.query('revoke insert on audit.events from audit_service');
  await recordMany(parts, 5);
  await until(() => consumer.status().lagMs > 2_500, { timeoutMs: timeBound(10_000) });
  t.ok(consumer.status().storeDownSince);
  t.equal(consumer.status().streamDownSince, undefined);
  await until(
    async () =>
      ((await parts.db.selectFrom('audit.shards').select('lag_ms').executeTakeFirst())?.lag_ms ??
        0) > 2_000,
  );
  await superuser.query('grant insert on audit.events to audit_service');
  await allStored(parts, 10);
  await until(
    () => consumer.status().lagMs === 0 && consumer.status().storeDownSince === undefined,
  );
});

test('after an outage of PostgreSQL nothing is lost or stored twice', async (t) => {
  const parts = await startParts(t);
  const url = new URL(parts.database.url('audit_service'));
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: Number(url.port) } });
  t.teardown(() => proxy.stop());
  url.port = String(proxy.port);
  const { db } = createDatabase<Tables>({ url: url.href, applicationName: 'test-faulty' });
  t.teardown(() => db.destroy());
  const warnings: string[] = [];
  const consumer = parts.consumer({
    db,
    log: {
      info() {},
      warn: (details, message) => void warnings.push(`${JSON.stringify(details)} ${message}`),
    },
  });
  parts.relay().start();
  consumer.start();
  const ids = await recordMany(parts, 10);
  await allStored(parts, 10);
  proxy.mode('refuse');
  await until(() => consumer.status().databaseDownSince !== undefined);
  ids.push(...(await recordMany(parts, 30)));
  await sleep(2_000);
  t.equal(warnings.length, 1, warnings.join('\n'));
  proxy.mode('pass');
  await allStored(parts, 40);
  t.same(await storedIds(parts.db), ids.toSorted());
  t.same(await watermarks(parts), { whole: true, numbers: 40 });
});

test('an iterator that expired is opened again at the checkpoint', async (t) => {
  const parts = await startParts(t);
  let expiries = 0;
  let reads = 0;
  // The local server lets an iterator live for five minutes; this one ends every third read of it.
  const proxy = createServer((request, response) => {
    if (
      request.headers['x-amz-target'] === 'Kinesis_20131202.GetRecords' &&
      (reads += 1) % 3 === 0
    ) {
      expiries += 1;
      request
        .resume()
        .on('end', () =>
          response
            .writeHead(400, { 'content-type': 'application/x-amz-json-1.1' })
            .end('{"__type":"ExpiredIteratorException","message":"Iterator expired."}'),
        );
      return;
    }
    request.pipe(
      forward(
        {
          host: '127.0.0.1',
          port: parts.kinesis.port,
          method: request.method,
          path: request.url,
          headers: request.headers,
        },
        (answer) => {
          response.writeHead(answer.statusCode ?? 500, answer.headers);
          answer.pipe(response);
        },
      ),
    );
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.teardown(
    () =>
      new Promise((resolve) => {
        proxy.close(resolve);
        proxy.closeAllConnections();
      }),
  );
  const { port } = proxy.address() as AddressInfo;
  const failures: unknown[] = [];
  const consumer = parts.consumer({
    kinesis: parts.connect({ port }),
    log: { info() {}, warn: (details) => void failures.push(Object(details).err) },
  });
  parts.relay().start();
  consumer.start();
  const ids: string[] = [];
  for (let n = 0; n < 4; n += 1) {
    ids.push(...(await recordMany(parts, 10)));
    await sleep(200);
  }
  await allStored(parts, 40);
  await until(() => expiries >= 3);
  t.same(await storedIds(parts.db), ids.toSorted());
  t.notOk(failures.some((error) => error instanceof ExpiredIteratorException));
  t.equal(consumer.status().duplicates, 0, 'nothing stored is read again');
});
