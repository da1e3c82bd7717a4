import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { test, type Test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { startProbe, type Probe } from './start-probe.ts';

/** What a client sees of one connection. */
interface Client {
  socket: Socket;
  text(): string;
  error: string;
}

async function openClient(t: Test, { url }: Probe): Promise<Client> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let text = '';
  const client: Client = { socket, text: () => text, error: '' };
  socket.on('data', (chunk) => {
    text += String(chunk);
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    client.error = error.code ?? error.message;
  });
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return client;
}

const closed = async ({ socket }: Client): Promise<unknown> =>
  socket.closed || once(socket, 'close');

const requestOf = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: probe\r\n\r\n`;
const answersIn = (text: string): string[] => text.match(/HTTP\/1\.1 \d+/g) ?? [];

/** Sends SIGTERM and waits until the service knows. */
async function stop(service: Probe): Promise<void> {
  service.process.kill('SIGTERM');
  await until(() => service.output().includes('"stopping"'), { what: 'it stops' });
}

async function endsWithin(t: Test, service: Probe, ms: number): Promise<void> {
  const since = performance.now();
  t.equal(await service.exit, 0, 'it ends with 0');
  const took = performance.now() - since;
  t.ok(took < timeBound(ms), `it ended after ${Math.round(took)} ms`);
}

test('a connection that becomes idle during the stop does not hold it', async (t) => {
  const service = await startProbe(t);
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  const call = get(`${service.url}/slow`, { agent });
  await until(() => service.output().includes('slow begins'), { what: 'the request is heard' });
  await stop(service);
  const [answer] = (await once(call, 'response')) as [IncomingMessage];
  t.equal(answer.headers.connection, 'close', 'the answer says that the connection ends');
  answer.resume();
  await once(answer, 'end');
  await endsWithin(t, service, 1_000);
});

test('an answer whose head was sent before the stop does not hold it', async (t) => {
  const service = await startProbe(t);
  const client = await openClient(t, service);
  client.socket.write(requestOf('/long'));
  await until(() => client.text().includes('begun'), { what: 'the answer begins' });
  await stop(service);
  await until(() => client.text().includes('done'), { what: 'the answer ends' });
  await endsWithin(t, service, 1_000);
});

/** A stop that has begun, and a connection whose next request was sent in time. */
async function sendWithinStop(t: Test): Promise<{ service: Probe; client: Client }> {
  for (;;) {
    const service = await startProbe(t);
    const client = await openClient(t, service);
    client.socket.write(requestOf('/health/live'));
    await until(() => answersIn(client.text()).length === 1, { what: 'the first answer' });
    const answeredAt = performance.now();
    await stop(service);
    client.socket.write(requestOf('/health/live'));
    // A connection idle for 750 ms may be closed. A starved machine needs another probe.
    if (performance.now() - answeredAt < 500) return { service, client };
    await service.exit;
  }
}

test('a request on a kept connection is answered although the stop has begun', async (t) => {
  const { service, client } = await sendWithinStop(t);
  await closed(client);
  t.strictSame(answersIn(client.text()), ['HTTP/1.1 200', 'HTTP/1.1 200']);
  t.match(client.text().slice(client.text().lastIndexOf('HTTP/1.1')), /connection: close/i);
  t.equal(client.error, '');
  await endsWithin(t, service, 1_000);
});

test('a second signal changes nothing about a stop', async (t) => {
  const service = await startProbe(t, { SHUTDOWN_DELAY_MS: '500' });
  await stop(service);
  service.process.kill('SIGTERM');
  service.process.kill('SIGINT');
  t.equal(await service.exit, 0);
  t.equal(service.output().split('"stopping"').length - 1, 1, 'it stopped once');
});

test('connections on which nothing was ever sent do not hold a stop', async (t) => {
  const service = await startProbe(t);
  const clients = await Promise.all([1, 2, 3].map(() => openClient(t, service)));
  service.process.kill('SIGTERM');
  await endsWithin(t, service, 1_500);
  t.strictSame(
    clients.map((client) => client.text()),
    ['', '', ''],
  );
});

test('what has come but was not yet accepted or read is answered', async (t) => {
  const service = await startProbe(t);
  const kept = await openClient(t, service);
  kept.socket.write(requestOf('/health/live'));
  await until(() => answersIn(kept.text()).length === 1, { what: 'the first answer' });
  const busy = await openClient(t, service);
  busy.socket.write(requestOf('/block'));
  await until(() => service.output().includes('block begins'), { what: 'the loop stands still' });
  // The kernel completes these connections; the process has accepted none of them.
  service.process.kill('SIGTERM');
  const clients = await Promise.all(Array.from({ length: 30 }, () => openClient(t, service)));
  for (const { socket } of [kept, ...clients]) socket.write(requestOf('/health/live'));
  await Promise.all([busy, kept, ...clients].map(closed));
  t.strictSame(answersIn(kept.text()), ['HTTP/1.1 200', 'HTTP/1.1 200'], 'the kept connection');
  for (const client of [busy, ...clients])
    t.strictSame([answersIn(client.text()), client.error], [['HTTP/1.1 200'], '']);
  await endsWithin(t, service, 1_500);
});

test('pipelined requests are all answered in a stop', async (t) => {
  const service = await startProbe(t);
  const client = await openClient(t, service);
  client.socket.write(requestOf('/slow') + requestOf('/health/live'));
  await until(() => service.output().includes('slow begins'), { what: 'the request is heard' });
  await stop(service);
  await closed(client);
  t.strictSame(answersIn(client.text()), ['HTTP/1.1 200', 'HTTP/1.1 200']);
  await endsWithin(t, service, 1_000);
});

test('half a request does not hold a stop; its client is told', async (t) => {
  const service = await startProbe(t);
  const client = await openClient(t, service);
  client.socket.write('GET /health/live HTTP/1.1\r\nho');
  await stop(service);
  await closed(client);
  t.match(client.text(), /^HTTP\/1\.1 408 .*request_timeout/s);
  await endsWithin(t, service, 1_500);
});

test('a body refused before its end is read on, so that its client sees the answer', async (t) => {
  const service = await startProbe(t);
  const size = 300_000;
  for (const [path, status] of [
    ['/echo', '413'],
    ['/refused', '429'],
  ] as const) {
    const client = await openClient(t, service);
    client.socket.write(
      `POST ${path} HTTP/1.1\r\nhost: probe\r\ncontent-type: application/json\r\n` +
        `content-length: ${size}\r\n\r\n`,
    );
    await until(() => client.text().includes('\r\n\r\n'), { what: `${path} is refused` });
    client.socket.write(Buffer.alloc(size, ' '));
    client.socket.write(requestOf('/health/live'));
    await until(() => answersIn(client.text()).length === 2 || client.socket.closed, {
      what: 'the next answer on the same connection',
    });
    t.strictSame(answersIn(client.text()), [`HTTP/1.1 ${status}`, 'HTTP/1.1 200']);
    t.equal(client.error, '');
  }
});
