import { MergeShardsCommand, SplitShardCommand } from '@aws-sdk/client-kinesis';
import { test } from 'tap';
import { startFaultProxy } from '@muniment/cluster';
import { timeBound, until } from '@muniment/testing';
import { listShards } from '../../consumer/list-shards.ts';
import { STREAM, startParts } from '../parts.ts';

test('shards are listed with the parents they were split and merged from', async (t) => {
  const { client } = await startParts(t, { shards: 1 });
  await client.send(
    new SplitShardCommand({
      StreamName: STREAM,
      ShardToSplit: 'shardId-000000000000',
      NewStartingHashKey: (2n ** 127n).toString(),
    }),
  );
  await until(
    async () => (await listShards(client, STREAM, AbortSignal.timeout(5_000))).shards.length === 3,
  );
  await new Promise((resolve) => setTimeout(resolve, 50));
  await client.send(
    new MergeShardsCommand({
      StreamName: STREAM,
      ShardToMerge: 'shardId-000000000001',
      AdjacentShardToMerge: 'shardId-000000000002',
    }),
  );
  await until(
    async () => (await listShards(client, STREAM, AbortSignal.timeout(5_000))).shards.length === 4,
  );
  const { name, created, shards } = await listShards(client, STREAM, AbortSignal.timeout(5_000));
  t.equal(name, STREAM);
  t.ok(Math.abs(created.getTime() - Date.now()) < 60_000);
  t.same(
    shards.map(({ parents }) =>
      parents
        .map((parent) => parent.slice(-1))
        .toSorted()
        .join(),
    ),
    ['', '0', '0', '1,2'],
  );
});

test('a stream that is not there is an error', async (t) => {
  const { client } = await startParts(t);
  await t.rejects(listShards(client, 'absent', AbortSignal.timeout(5_000)), {
    name: 'ResourceNotFoundException',
  });
});

test('a stream that does not answer is given up when the time is over', async (t) => {
  const { kinesis, connect } = await startParts(t);
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: kinesis.port } });
  t.teardown(() => proxy.stop());
  proxy.mode('blackhole');
  const startedAt = performance.now();
  await t.rejects(listShards(connect(proxy), STREAM, AbortSignal.timeout(200)));
  t.ok(performance.now() - startedAt < timeBound(900));
});
