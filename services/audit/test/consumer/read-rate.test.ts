import { once } from 'node:events';
import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type Test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { recordMany, startParts, type Parts } from '../parts.ts';

/** A proxy before the stream that records when each shard was read, by its iterator. */
async function watchReads(
  t: Test,
  parts: Parts,
): Promise<{ port: number; reads: Map<string, number[]> }> {
  const reads = new Map<string, number[]>();
  const shardOf = new Map<string, string>();
  const proxy = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request
      .on('data', (chunk: Buffer) => chunks.push(chunk))
      .on('end', () => {
        const body = Buffer.concat(chunks);
        const input = JSON.parse(body.toString()) as { ShardId?: string; ShardIterator?: string };
        const action = String(request.headers['x-amz-target']).split('.').at(-1);
        const shard = input.ShardId ?? shardOf.get(input.ShardIterator ?? '') ?? '';
        if (action === 'GetRecords')
          reads.set(shard, [...(reads.get(shard) ?? []), performance.now()]);
        forward(
          {
            host: '127.0.0.1',
            port: parts.kinesis.port,
            method: request.method,
            path: request.url,
            headers: request.headers,
          },
          (answer) => {
            const parts_: Buffer[] = [];
            answer
              .on('data', (chunk: Buffer) => parts_.push(chunk))
              .on('end', () => {
                const text = Buffer.concat(parts_).toString();
                if (action === 'GetRecords' || action === 'GetShardIterator') {
                  const output = JSON.parse(text) as {
                    ShardIterator?: string;
                    NextShardIterator?: string;
                  };
                  shardOf.set(output.ShardIterator ?? output.NextShardIterator ?? '', shard);
                }
                response.writeHead(answer.statusCode ?? 500, answer.headers).end(text);
              });
          },
        ).end(body);
      });
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
  return { port: (proxy.address() as AddressInfo).port, reads };
}

/** The most reads of one shard within 950 ms; the rest of the second is for delayed requests. */
const densest = (times: readonly number[]): number =>
  Math.max(
    0,
    ...times.map((start) => times.filter((at) => at >= start && at < start + 950).length),
  );

test('no shard is read more than five times a second', async (t) => {
  const parts = await startParts(t, { shards: 2 });
  const { port, reads } = await watchReads(t, parts);
  const kinesis = parts.connect({ port });
  parts.relay().start();
  let consumer = parts.consumer({ kinesis, replica: 'r0' });
  consumer.start();
  await until(() => reads.size === 2);
  for (let hand = 1; hand <= 4; hand += 1) {
    await recordMany(parts, 100);
    await sleep(1_100);
    const successor = parts.consumer({ kinesis, replica: `r${hand}` });
    const leaving = consumer;
    consumer = successor;
    const before = [...reads.values()].map((times) => times.length);
    successor.start();
    await leaving.stop();
    await until(() =>
      [...reads.values()].every((times, shard) => times.length > (before[shard] ?? 0) + 6),
    );
  }
  const counts = [...reads.values()].map(densest);
  t.comment(`at the most ${counts.join(' and ')} reads in a second`);
  // Reads are counted where they arrive: on a busy machine some arrive late, and together.
  t.ok(
    counts.every((count) => count <= timeBound(5, 7)),
    counts.join(),
  );
});
