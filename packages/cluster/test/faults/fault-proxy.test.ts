import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  PutRecordsCommand,
} from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type Test } from 'tap';
import { timeBound } from '@muniment/testing';
import { startFaultProxy, type FaultProxy } from '../../src/faults/fault-proxy.ts';
import { startKinesis } from '../../src/kinesis/start-kinesis.ts';

/** A proxy in front of an echo server. */
async function build(
  t: Test,
): Promise<{ proxy: FaultProxy; open: () => Promise<Socket>; upstream: Set<Socket> }> {
  const upstream = new Set<Socket>();
  const echo = createServer({ allowHalfOpen: true }, (socket) => {
    upstream.add(socket);
    socket
      .on('error', () => {})
      .on('close', () => upstream.delete(socket))
      .pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const proxy = await startFaultProxy({
    target: { host: '127.0.0.1', port: (echo.address() as AddressInfo).port },
  });
  t.teardown(async () => {
    await proxy.stop();
    echo.close();
  });
  const open = async (): Promise<Socket> => {
    const socket = connect(proxy.port, '127.0.0.1');
    t.teardown(() => socket.destroy());
    await once(socket, 'connect');
    return socket;
  };
  return { proxy, open, upstream };
}

/** Writes bytes and waits until as many come back. */
async function roundTrip(socket: Socket, data: Buffer | string, ms = 3000): Promise<string> {
  const wanted = Buffer.byteLength(data);
  let got = '';
  const back = new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('nothing came back')), ms);
    const onData = (chunk: Buffer): void => {
      got += chunk.toString('latin1');
      if (got.length < wanted) return;
      clearTimeout(timer);
      socket.off('data', onData);
      resolve(got);
    };
    socket.on('data', onData);
    socket.once('close', () => {
      clearTimeout(timer);
      reject(new Error('closed'));
    });
  });
  socket.write(data);
  return back;
}

const closing = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    let code = 'orderly';
    socket
      .on('error', (error: NodeJS.ErrnoException) => {
        code = error.code ?? 'error';
      })
      .on('close', () => resolve(code))
      .resume();
  });

test('pass forwards both ways, large data and half-closed connections too', async (t) => {
  const { open } = await build(t);
  const socket = await open();
  t.equal(await roundTrip(socket, 'hello'), 'hello');
  const bytes = randomBytes(20 * 1024 ** 2);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.end(bytes);
  await once(socket, 'end');
  t.ok(
    Buffer.concat(chunks).equals(bytes),
    'what came back after our end of the connection was closed is complete',
  );
});

test('a server that closed its side still gets all that the client sends', async (t) => {
  let got = 0;
  const slow = createServer({ allowHalfOpen: true }, (socket) => {
    socket.end('bye');
    setTimeout(
      () =>
        socket.on('data', (chunk: Buffer) => {
          got += chunk.length;
        }),
      300,
    );
    socket.on('error', () => {});
  });
  slow.listen(0, '127.0.0.1');
  await once(slow, 'listening');
  const proxy = await startFaultProxy({
    target: { host: '127.0.0.1', port: (slow.address() as AddressInfo).port },
  });
  t.teardown(async () => {
    await proxy.stop();
    slow.close();
  });
  const size = 7 * 1024 ** 2;
  const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.resume().end(Buffer.alloc(size));
  await once(socket, 'close');
  for (let i = 0; i < 100 && got < size; i++) await sleep(10);
  t.equal(got, size);
});

test('refuse cuts open connections and resets new ones until it passes again', async (t) => {
  const { proxy, open } = await build(t);
  const old = await open();
  await roundTrip(old, 'x');
  const oldClosed = closing(old);
  proxy.mode('refuse');
  t.equal(await oldClosed, 'ECONNRESET');
  const refused = connect(proxy.port, '127.0.0.1');
  t.equal(await closing(refused), 'ECONNRESET');
  proxy.mode('pass');
  t.equal(await roundTrip(await open(), 'again'), 'again');
});

test('cut resets open connections and passes later ones', async (t) => {
  const { proxy, open, upstream } = await build(t);
  const old = await open();
  await roundTrip(old, 'x');
  const closed = closing(old);
  proxy.mode('cut');
  t.equal(await closed, 'ECONNRESET');
  t.equal(await roundTrip(await open(), 'new'), 'new');
  t.equal(upstream.size, 1, 'the server lost the old connection too');
});

test('blackhole holds bytes and closes on all connections and releases them afterwards', async (t) => {
  const { proxy, open, upstream } = await build(t);
  const [old, leaving] = [await open(), await open()];
  await roundTrip(old, 'x');
  await roundTrip(leaving, 'x');
  proxy.mode('blackhole');
  const fresh = await open();
  const answers = [roundTrip(old, 'held'), roundTrip(fresh, 'also held')];
  leaving.destroy();
  let early = false;
  void Promise.race(answers).then(() => {
    early = true;
  });
  await sleep(300);
  t.equal(early, false);
  t.equal(upstream.size, 3, 'the server does not learn of the client that left');
  proxy.mode('pass');
  t.same(await Promise.all(answers), ['held', 'also held']);
  await sleep(50);
  t.equal(upstream.size, 2);
});

test('delayMs delays each direction in order and does not add up over chunks', async (t) => {
  const { proxy, open } = await build(t);
  const socket = await open();
  proxy.mode({ delayMs: 100 });
  const start = performance.now();
  const text = Array.from({ length: 20 }, (_, i) => `chunk ${i};`);
  const back = roundTrip(socket, text.join(''));
  t.equal(await back, text.join(''));
  const took = performance.now() - start;
  t.ok(took >= 198 && took < timeBound(600), `${took.toFixed(0)} ms`);

  let got = '';
  socket.on('data', (chunk: Buffer) => {
    got += chunk.toString();
  });
  for (const part of text) {
    socket.write(part);
    await sleep(10);
  }
  proxy.mode('pass');
  await sleep(50);
  t.equal(got, text.join(''), 'going back to pass lets go at once, in order');
});

async function buildKinesis(
  t: Test,
): Promise<{
  proxy: FaultProxy;
  client: KinesisClient;
  iterator: () => Promise<string | undefined>;
}> {
  const kinesis = await startKinesis({ streams: [{ name: 's', shards: 1 }] });
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: kinesis.port } });
  const client = new KinesisClient({
    endpoint: proxy.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    maxAttempts: 1,
    requestHandler: new NodeHttpHandler({ connectionTimeout: 1000 }),
  });
  t.teardown(async () => {
    client.destroy();
    await proxy.stop();
    await kinesis.stop();
  });
  const iterator = async (): Promise<string | undefined> => {
    const { Shards } = await client.send(new ListShardsCommand({ StreamName: 's' }));
    const { ShardIterator } = await client.send(
      new GetShardIteratorCommand({
        StreamName: 's',
        ShardId: Shards?.[0]?.ShardId,
        ShardIteratorType: 'TRIM_HORIZON',
      }),
    );
    return ShardIterator;
  };
  return { proxy, client, iterator };
}

const records = (count: number): { Data: Buffer; PartitionKey: string }[] =>
  Array.from({ length: count }, (_, i) => ({
    Data: Buffer.from(`record ${i}`),
    PartitionKey: 'k',
  }));

test('throttling answers reads and writes as Kinesis does, on open connections too', async (t) => {
  const { proxy, client, iterator } = await buildKinesis(t);
  await client.send(new PutRecordsCommand({ StreamName: 's', Records: records(2) }));
  const ShardIterator = await iterator();
  proxy.mode({ throttle: 'kinesis' });
  const refusal = {
    name: 'ProvisionedThroughputExceededException',
    $metadata: { httpStatusCode: 400 },
  };
  await t.rejects(
    client.send(new PutRecordsCommand({ StreamName: 's', Records: records(1) })),
    refusal,
  );
  await t.rejects(client.send(new GetRecordsCommand({ ShardIterator })), refusal);
  t.ok(await iterator(), 'other operations pass');
  const raw = await fetch(proxy.url, {
    method: 'POST',
    headers: { 'x-amz-target': 'Kinesis_20131202.GetRecords' },
    body: '{}',
  });
  t.equal(raw.headers.get('content-type'), 'application/x-amz-json-1.1');
  t.match(await raw.json(), { __type: 'ProvisionedThroughputExceededException', message: String });

  proxy.mode('pass');
  const { Records } = await client.send(new GetRecordsCommand({ ShardIterator: await iterator() }));
  t.equal(Records?.length, 2, 'what was throttled was not stored');
});

test('throttling with a probability lets some requests through', async (t) => {
  const { proxy, client, iterator } = await buildKinesis(t);
  proxy.mode({ throttle: 'kinesis', probability: 0.5 });
  let stored = 0;
  for (let i = 0; i < 60; i++) {
    await client.send(new PutRecordsCommand({ StreamName: 's', Records: records(1) })).then(
      () => stored++,
      () => {},
    );
  }
  t.ok(stored > 10 && stored < 50, `${stored} of 60`);
  proxy.mode('pass');
  const { Records } = await client.send(new GetRecordsCommand({ ShardIterator: await iterator() }));
  t.equal(Records?.length, stored);
});

test('partial throttling fails single records, each reported at its position', async (t) => {
  const { proxy, client, iterator } = await buildKinesis(t);
  proxy.mode({ throttle: 'kinesis', partial: 0.5 });
  const answer = await client.send(
    new PutRecordsCommand({ StreamName: 's', Records: records(100) }),
  );
  const failed =
    answer.Records?.filter(
      ({ ErrorCode }) => ErrorCode === 'ProvisionedThroughputExceededException',
    ).length ?? 0;
  t.equal(answer.Records?.length, 100);
  t.equal(answer.FailedRecordCount, failed);
  t.ok(failed > 20 && failed < 80, `${failed} of 100`);
  const accepted = answer.Records?.flatMap(({ SequenceNumber }, i) =>
    SequenceNumber ? [[SequenceNumber, `record ${i}`]] : [],
  );
  const { Records = [] } = await client.send(
    new GetRecordsCommand({ ShardIterator: await iterator() }),
  );
  t.same(
    Records.map(({ SequenceNumber, Data }) => [SequenceNumber, Buffer.from(Data ?? []).toString()]),
    accepted,
  );
});

test('cut, blackhole and delay also apply to a throttled connection', async (t) => {
  const { proxy, client, iterator } = await buildKinesis(t);
  proxy.mode({ throttle: 'kinesis', probability: 0 });
  await iterator();
  proxy.mode({ delayMs: 80 });
  const start = performance.now();
  await client.send(new ListShardsCommand({ StreamName: 's' }));
  t.ok(performance.now() - start >= 158);
  proxy.mode('blackhole');
  const held = client.send(new ListShardsCommand({ StreamName: 's' }));
  t.equal(await Promise.race([held.then(() => 'answered'), sleep(200, 'held')]), 'held');
  proxy.mode('pass');
  t.equal((await held).Shards?.length, 1);
  proxy.mode('refuse');
  await t.rejects(client.send(new ListShardsCommand({ StreamName: 's' })), { code: 'ECONNRESET' });
});
