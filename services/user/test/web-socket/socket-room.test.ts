import { once } from 'node:events';
import type { FastifyRequest } from 'fastify';
import { test, type Test } from 'tap';
import { WebSocket, WebSocketServer } from 'ws';
import { GATEWAY_HEADERS, until } from '@muniment/testing';
import { createSockets } from '../../web-socket/sockets.ts';
import { build as buildServer } from '../build.ts';

/** A server that listens, and handshakes as the gateway forwards them. */
async function build(t: Test, settings: Record<string, string>) {
  const server = await buildServer(t, settings);
  const { app } = server.context.http;
  await app.listen({ host: '127.0.0.1', port: 0 });
  const address = app.server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const connect = (ip: string): WebSocket => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, {
      headers: { ...GATEWAY_HEADERS, 'x-forwarded-for': ip },
    });
    t.teardown(() => socket.terminate());
    return socket.on('error', () => {});
  };
  return { connect };
}

/** The status of the handshake, and the refusal's body. */
const handshake = (socket: WebSocket): Promise<{ status: number; body: string; retry?: string }> =>
  new Promise((resolve) => {
    socket.once('open', () => resolve({ status: 101, body: '' }));
    socket.once('unexpected-response', (_request, response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      const { statusCode: status = 0, headers } = response;
      response.on('end', () => resolve({ status, body, retry: headers['retry-after'] ?? '' }));
    });
  });

test('a network has only some of the sockets, and another finds room', async (t) => {
  const { connect } = await build(t, { SOCKET_MAX: '5', SOCKET_MAX_PER_NETWORK: '2' });
  const first = connect('192.0.2.1');
  t.match(await handshake(first), { status: 101 });
  t.match(await handshake(connect('192.0.2.1')), { status: 101 });
  const refused = await handshake(connect('192.0.2.1'));
  t.match(refused, { status: 429, retry: '5' });
  t.match(JSON.parse(refused.body), { code: 'too_many_sockets' });
  t.match(await handshake(connect('2001:db8::1')), { status: 101 });
  t.match(await handshake(connect('2001:db8::2')), { status: 101 });
  t.match(await handshake(connect('2001:db8::3')), { status: 429 }, 'a /64 is one network');
  t.match(await handshake(connect('192.0.2.3')), { status: 101 });
  t.match(await handshake(connect('192.0.2.4')), { status: 503 }, 'the replica is full');
  first.close();
  await until(async () => (await handshake(connect('192.0.2.1'))).status === 101);
});

/** Sockets whose messages are answered by a test: each text is its outcome. */
async function openSockets(t: Test, firstMessageMs: number) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  const held = Promise.withResolvers<void>();
  const sockets = createSockets({
    async answer(_handshake, text) {
      if (text.startsWith('held ')) await held.promise;
      return { answer: {}, channel: 'test', outcome: text.replace('held ', '') };
    },
    log: { warn() {} },
    max: 10,
    maxPerNetwork: 10,
    firstMessageMs,
  });
  t.teardown(async () => {
    await sockets.stop();
    server.close();
  });
  server.on('connection', (socket) => sockets.open(socket, { ip: '192.0.2.1' } as FastifyRequest));
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  async function open() {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`);
    t.teardown(() => socket.terminate());
    const client = { socket, code: 0, answers: 0, send: (text: string) => socket.send(text) };
    socket.on('message', () => (client.answers += 1));
    socket.once('close', (code) => (client.code = code));
    await once(socket, 'open');
    return client;
  }
  return { open, answerHeld: held.resolve };
}

test('a socket that sends nothing, or nothing that succeeds, is closed in time', async (t) => {
  const { open } = await openSockets(t, 500);
  const [silent, useless] = [await open(), await open()];
  useless.send('invalid_credentials');
  await until(() => silent.code === 1008 && useless.code === 1008, { timeoutMs: 10_000 });
  t.equal(useless.answers, 1);
});

test('a socket of which a message has succeeded stays open', async (t) => {
  const { open } = await openSockets(t, 500);
  const [useful, silent] = [await open(), await open()];
  useful.send('success');
  await until(() => silent.code === 1008, { timeoutMs: 10_000 });
  useful.send('message_invalid');
  await until(() => useful.answers === 2, { timeoutMs: 10_000 });
  t.equal(useful.code, 0);
});

test('a message that is being answered at the deadline may still succeed', async (t) => {
  const { open, answerHeld } = await openSockets(t, 500);
  const [good, bad, silent] = [await open(), await open(), await open()];
  good.send('held success');
  bad.send('held invalid_credentials');
  await until(() => silent.code === 1008, { timeoutMs: 10_000 });
  t.strictSame([good.code, bad.code], [0, 0], 'they wait for their answers');
  answerHeld();
  await until(() => bad.code === 1008, { timeoutMs: 10_000 });
  good.send('success');
  await until(() => good.answers === 2, { timeoutMs: 10_000 });
  t.equal(good.code, 0);
});
