import { PassThrough, type Readable } from 'node:stream';
import Fastify from 'fastify';
import { connect, type Socket } from 'node:net';
import { test, type Test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { createBodyRoom } from '../../app-events/body-room.ts';
import { build, type TestServer } from '../build.ts';

interface HalfSent {
  socket: Socket;
  answer(): string;
}

/** Sends a head and the first bytes of a large body. */
function halfSend(t: Test, port: number, { head, bytes }: { head: string; bytes: number }) {
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.on('error', () => {});
  let answer = '';
  socket.on('data', (data) => (answer += data.toString()));
  socket.write(head);
  socket.write(Buffer.alloc(bytes, ' '));
  return { socket, answer: () => answer } satisfies HalfSent;
}

async function listen({ server }: TestServer): Promise<number> {
  await server.http.app.listen({ host: '127.0.0.1', port: 0 });
  const address = server.http.app.server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

const headOf = (token: string, length: string): string =>
  [
    'POST /api/audit/events HTTP/1.1',
    'Host: a',
    `Authorization: Bearer ${token}`,
    'Content-Type: application/json',
    length,
    '\r\n',
  ].join('\r\n');

test("one caller's half-sent batches leave room for another's", async (t) => {
  const parts = await build(t);
  const port = await listen(parts);
  const [root, other] = [await parts.signIn('admin'), await parts.signIn('admin')];
  const head = headOf(root.token, 'Content-Length: 8900000');
  const halves = Array.from({ length: 12 }, () => halfSend(t, port, { head, bytes: 1_000_000 }));
  const refused = () => halves.filter(({ answer }) => answer().includes('too_many_batches'));
  await until(() => refused().length === 4, { timeoutMs: timeBound(10_000) });
  t.match(refused()[0]?.answer(), /^HTTP\/1\.1 429 [^]*retry-after: 1\r\n/);
  const event = { id: 'e', tenant_id: 'acme', action: 'a.b', metadata: { text: 'x' } };
  const post = (token: string, payload: string) =>
    fetch(`http://127.0.0.1:${port}/api/audit/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: payload,
    });
  const large = JSON.stringify({ events: [event] }) + ' '.repeat(400_000);
  t.equal((await post(other.token, large)).status, 201, "another's large batch");
  t.equal((await post(root.token, JSON.stringify(event))).status, 200, 'a small one of the same');
  for (const { socket } of halves) socket.destroy();
  await until(async () => (await post(root.token, large)).status === 200);
});

test('a body of unknown length counts as a large one', async (t) => {
  const parts = await build(t);
  const port = await listen(parts);
  const root = await parts.signIn('admin');
  const head = `${headOf(root.token, 'Transfer-Encoding: chunked')}7a1200\r\n`;
  const halves = Array.from({ length: 10 }, () => halfSend(t, port, { head, bytes: 1_000 }));
  await until(
    () => halves.filter(({ answer }) => answer().includes('too_many_batches')).length === 2,
    { timeoutMs: timeBound(10_000) },
  );
});

/** An app whose callers are told by a header, with room for three bodies. */
async function roomFor(t: Test, timeoutMs: number): Promise<number> {
  const admit = createBodyRoom({ max: 3, maxPerCaller: 2, timeoutMs });
  const app = Fastify({ bodyLimit: 1_000_000 });
  t.teardown(() => app.close());
  app.decorateRequest('principal', null);
  app.addHook('onRequest', async (request) => {
    request.principal = { id: String(request.headers.caller) } as never;
  });
  app.post('/', {
    preParsing: async (request, reply, body) => admit(request, reply, body as Readable),
    handler: async (request) => ({ length: JSON.stringify(request.body).length }),
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const address = app.server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

const halfOf = (t: Test, port: number, caller: string) =>
  halfSend(t, port, {
    head: `POST / HTTP/1.1\r\nHost: a\r\nCaller: ${caller}\r\nContent-Type: application/json\r\nContent-Length: 500000\r\n\r\n`,
    bytes: 1_000,
  });

test('a replica holds only so many large bodies, and a slow one is a 408 that makes room', async (t) => {
  const port = await roomFor(t, 1_000);
  const halves = ['a', 'a', 'b'].map((caller) => halfOf(t, port, caller));
  await until(async () => {
    const half = halfOf(t, port, 'c');
    await until(() => half.answer() !== '' || half.socket.destroyed);
    return half.answer().includes('BATCH_CAPACITY');
  });
  await until(() => halves.every(({ answer }) => answer().startsWith('HTTP/1.1 408 ')), {
    timeoutMs: timeBound(5_000),
  });
  const body = JSON.stringify('x'.repeat(400_000));
  const headers = { 'content-type': 'application/json', caller: 'a' };
  const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers, body });
  t.same(await answer.json(), { length: body.length });
});

test('a body that fails ends its copy, so that nobody waits for it', async (t) => {
  const admit = createBodyRoom({ max: 3, maxPerCaller: 2, timeoutMs: 60_000 });
  const body = new PassThrough();
  const request = { headers: {}, principal: { id: 'a' } } as never;
  const copy = admit(request, { raw: { once() {} } } as never, body);
  const failed = new Promise((resolve) => copy.once('error', resolve));
  body.destroy(new Error('reset'));
  t.match(await failed, { message: 'reset' });
});
