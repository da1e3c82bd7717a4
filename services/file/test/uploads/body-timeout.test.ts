import { once } from 'node:events';
import {
  createServer,
  request,
  type ClientRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { test, type Test } from 'tap';
import { startBodyTimeout } from '../../uploads/body-timeout.ts';

const never = new AbortController().signal;
const nothing = { signal: never, onData: () => undefined, onEnd: () => undefined };

/** A request whose body the test writes, from both sides. */
async function exchange(
  t: Test,
): Promise<{ client: ClientRequest; body: IncomingMessage; answer: ServerResponse }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = request({ port: (server.address() as AddressInfo).port, method: 'POST' });
  client.on('error', () => undefined);
  client.flushHeaders();
  const [body, answer]: [IncomingMessage, ServerResponse] = (await once(server, 'request')) as [
    IncomingMessage,
    ServerResponse,
  ];
  t.teardown(() => {
    client.destroy();
    server.closeAllConnections();
    server.close();
  });
  return { client, body, answer };
}

/** Takes the first few chunks slowly, the rest at once. */
function reader(slowChunks: number, pauseMs: number): Writable & { size: number } {
  let slow = slowChunks;
  const sink = Object.assign(
    new Writable({
      highWaterMark: 1,
      write(chunk: Buffer, _encoding, done) {
        sink.size += chunk.length;
        slow -= 1;
        if (slow >= 0) setTimeout(done, pauseMs);
        else done();
      },
    }),
    { size: 0 },
  );
  return sink;
}

test('a paused body does not count as silent', async (t) => {
  const { client, body } = await exchange(t);
  client.end(Buffer.alloc(2_000_000));
  const sink = reader(3, 350);
  body.pipe(sink);
  let ended: Error | undefined;
  const watch = startBodyTimeout(body, {
    ...nothing,
    idleMs: 100,
    onEnd: (error) => {
      ended = error;
    },
  });
  await finished(sink);
  t.equal(ended, undefined);
  t.strictSame([watch.received(), sink.size], [2_000_000, 2_000_000]);
});

test('silence after a pause of ours counts from its end', async (t) => {
  const { client, body } = await exchange(t);
  client.write('x');
  body.pipe(reader(1, 300));
  const begun = performance.now();
  const watch = startBodyTimeout(body, { ...nothing, idleMs: 400 });
  await t.rejects(watch.ended, { code: 'UPLOAD_TIMEOUT' });
  t.ok(performance.now() - begun > 650, 'not within 400 ms of the last byte');
});

test('a silent client and other failures end the reading but not the answer', async (t) => {
  const silent = await exchange(t);
  silent.client.write('x');
  silent.body.pipe(reader(0, 0));
  const told: Error[] = [];
  await t.rejects(
    startBodyTimeout(silent.body, {
      ...nothing,
      idleMs: 100,
      onEnd: (error) => void told.push(error),
    }).ended,
    { code: 'UPLOAD_TIMEOUT' },
  );
  t.match(told, [{ code: 'UPLOAD_TIMEOUT' }]);
  silent.answer.end('enough');
  const [response]: IncomingMessage[] = await once(silent.client, 'response');
  t.equal(response?.statusCode, 200);

  const failed = await exchange(t);
  const failure = new AbortController();
  failed.body.pipe(reader(0, 0));
  const watch = startBodyTimeout(failed.body, {
    ...nothing,
    idleMs: 5_000,
    signal: failure.signal,
  });
  failure.abort(new Error('elsewhere'));
  await t.rejects(watch.ended, { message: 'elsewhere' });
  await t.rejects(
    startBodyTimeout(failed.body, { ...nothing, idleMs: 5_000, signal: failure.signal }).ended,
    { message: 'elsewhere' },
    'a failure that has already happened',
  );
});

test('a finished body never times out', async (t) => {
  const { client, body } = await exchange(t);
  client.end('x');
  body.pipe(reader(0, 0));
  let ended = false;
  startBodyTimeout(body, {
    ...nothing,
    idleMs: 50,
    onEnd: () => {
      ended = true;
    },
  });
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.notOk(ended);
});
