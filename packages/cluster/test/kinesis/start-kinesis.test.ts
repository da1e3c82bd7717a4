import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  PutRecordCommand,
} from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'tap';
import { startKinesis } from '../../src/kinesis/start-kinesis.ts';

const streams = [{ name: 'audit-events', shards: 2 }];

function client(
  t: { teardown(fn: () => void): void },
  endpoint: string,
  credentials = { accessKeyId: 'local', secretAccessKey: 'local' },
): KinesisClient {
  const made = new KinesisClient({
    endpoint,
    region: 'us-east-1',
    credentials,
    maxAttempts: 1,
    requestHandler: new NodeHttpHandler({ connectionTimeout: 1000 }),
  });
  t.teardown(() => made.destroy());
  return made;
}

async function read(kinesis: KinesisClient): Promise<string[]> {
  const texts: string[] = [];
  const { Shards = [] } = await kinesis.send(new ListShardsCommand({ StreamName: 'audit-events' }));
  for (const shard of Shards) {
    const { ShardIterator } = await kinesis.send(
      new GetShardIteratorCommand({
        StreamName: 'audit-events',
        ShardId: shard.ShardId,
        ShardIteratorType: 'TRIM_HORIZON',
      }),
    );
    const { Records = [] } = await kinesis.send(new GetRecordsCommand({ ShardIterator }));
    texts.push(...Records.map((record) => Buffer.from(record.Data ?? []).toString()));
  }
  return texts;
}

test('records survive a restart; a deleted folder gives an empty stream', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'muniment-kinesis-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const data = path.join(folder, 'data');

  const first = await startKinesis({ path: data, streams });
  await client(t, first.endpoint).send(
    new PutRecordCommand({
      StreamName: 'audit-events',
      PartitionKey: 'a',
      Data: Buffer.from('kept'),
    }),
  );
  await first.stop();

  const second = await startKinesis({ path: data, streams });
  t.same(await read(client(t, second.endpoint)), ['kept']);
  await second.stop();

  rmSync(data, { recursive: true });
  const third = await startKinesis({ path: data, streams });
  t.teardown(() => third.stop());
  const kinesis = client(t, third.endpoint);
  t.same(await read(kinesis), []);
  t.equal(
    (await kinesis.send(new ListShardsCommand({ StreamName: 'audit-events' }))).Shards?.length,
    2,
  );
});

test('with credentials only their signatures are accepted', async (t) => {
  const [ada, bob] = ['ada', 'bob'].map((name) => ({
    accessKeyId: name,
    secretAccessKey: `secret-of-${name}`,
  }));
  const kinesis = await startKinesis({ streams, credentials: [ada!, bob!] });
  t.teardown(() => kinesis.stop());
  const list = new ListShardsCommand({ StreamName: 'audit-events' });
  for (const known of [ada, bob])
    t.equal((await client(t, kinesis.endpoint, known).send(list)).Shards?.length, 2);
  for (const [credentials, name] of [
    [{ accessKeyId: 'eve', secretAccessKey: 'secret-of-ada' }, 'UnrecognizedClientException'],
    [{ accessKeyId: 'ada', secretAccessKey: 'secret-of-bob' }, 'InvalidSignatureException'],
  ] as const)
    await t.rejects(client(t, kinesis.endpoint, credentials).send(list), { name });

  const post = (url: string, headers: Record<string, string>) =>
    fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'Kinesis_20131202.ListStreams',
        ...headers,
      },
      body: '{}',
    });
  const made = 'AWS4-HMAC-SHA256 Credential=ada/x, SignedHeaders=host, Signature=x';
  for (const [url, headers, type] of [
    [kinesis.endpoint, {}, 'MissingAuthenticationTokenException'],
    [kinesis.endpoint, { authorization: made }, 'InvalidSignatureException'],
    [`${kinesis.endpoint}/?X-Amz-Algorithm=AWS4`, {}, 'MissingAuthenticationTokenException'],
  ] as const) {
    const refused = await post(url, headers);
    t.equal(refused.status, 400);
    t.match(await refused.json(), { __type: type });
  }
});
