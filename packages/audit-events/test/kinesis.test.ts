import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type Test } from 'tap';
import { batchRecords, createKinesisClient, putBatch } from '../src/kinesis.ts';

const records = (count: number, bytes: number) =>
  Array.from({ length: count }, (_, lane) => ({ lane: lane % 16, text: 'x'.repeat(bytes) }));

test('a request has at most 500 records and 5 MiB, in the order given', (t) => {
  t.same(
    batchRecords(records(1_201, 10)).map((batch) => batch.length),
    [500, 500, 201],
  );
  const large = batchRecords(records(500, 16 * 1024));
  t.ok(large.length > 1);
  for (const batch of large)
    t.ok(batch.reduce((bytes, { text }) => bytes + text.length + 12, 0) <= 5 * 1024 * 1024);
  t.same(large.flat(), records(500, 16 * 1024));
  t.same(batchRecords([]), []);
  t.end();
});

test('bytes are counted, not characters', (t) => {
  const batches = batchRecords(
    Array.from({ length: 500 }, () => ({ lane: 0, text: '€'.repeat(5_000) })),
  );
  for (const batch of batches)
    t.ok(batch.reduce((bytes, { text }) => bytes + Buffer.byteLength(text), 0) <= 5 * 1024 * 1024);
  t.end();
});

/** The outcome of a batch put to this stream, within some seconds. */
async function putTo(t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const kinesis = createKinesisClient({
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${port}`,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  t.teardown(() => kinesis.destroy());
  const put = putBatch({ kinesis, stream: 'events' }, 'user', records(1, 10)).then(
    () => 'sent',
    () => 'given up',
  );
  return Promise.race([put, sleep(12_000, 'still waiting', { ref: false })]);
}

test('a request that the stream never answers times out', async (t) => {
  t.equal(
    await putTo(t, (request) => {
      request.resume();
    }),
    'given up',
  );
});

test('a stream whose answer ends half way is given up', async (t) => {
  t.equal(
    await putTo(t, (request, response) => {
      request.resume();
      response
        .writeHead(200, { 'content-type': 'application/x-amz-json-1.1', 'content-length': '100' })
        .write('{"Fail');
    }),
    'given up',
  );
});
