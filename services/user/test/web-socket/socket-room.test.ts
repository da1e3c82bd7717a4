import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyRequest } from 'fastify';
import { test, type Test } from 'tap';
import { WebSocket, WebSocketServer } from 'ws';
import type { Principal } from '@muniment/security';
import { GATEWAY_HEADERS, timeBound, until } from '@muniment/testing';
import { createSockets, type SocketsOptions } from '../../web-socket/sockets.ts';
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

/** The owner of a token that a test uses. */
const ownerOf = (id: string, expiresInMs: number): Principal => ({
  id: 'ada',
  role: 'customer',
  expiresAt: new Date(Date.now() + expiresInMs),
  sessionId: null,
  apiToken: { id, scopes: [], askedAt: 0 },
});

/** Sockets whose messages are answered by a test: each text is its outcome, or its token. */
async function openSockets(t: Test, firstMessageMs: number, options: Partial<SocketsOptions> = {}) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  const held = Promise.withResolvers<void>();
  const tokens = new Map<string, Principal>();
  const sockets = createSockets({
    async answer(_handshake, text) {
      if (text.startsWith('held ')) await held.promise;
      const token = tokens.get(text);
      const outcome = token ? 'success' : text.replace('held ', '');
      return { answer: {}, channel: 'test', outcome, ...(token && { token }) };
    },
    revalidate: async (principal) => ({ principal, asOf: performance.now() }),
    log: { warn() {} },
    max: 10,
    maxPerNetwork: 10,
    firstMessageMs,
    ...options,
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
    const client = {
      socket,
      code: 0,
      reason: '',
      answers: 0,
      notices: [] as string[],
      send: (text: string) => socket.send(text),
    };
    socket.on('message', (data) => {
      const text = (data as Buffer).toString();
      if (text.includes('"event"')) client.notices.push(text);
      else client.answers += 1;
    });
    socket.once('close', (code, reason) => Object.assign(client, { code, reason: String(reason) }));
    await once(socket, 'open');
    return client;
  }
  return { open, tokens, answerHeld: held.resolve };
}

test('a socket stays until the last of its tokens ends, and says why it closes', async (t) => {
  const revoked = new Set<string>();
  const { open, tokens } = await openSockets(t, 60_000, {
    revalidate: async (principal) =>
      revoked.has(principal.apiToken?.id ?? '')
        ? undefined
        : { principal, asOf: performance.now() },
  });
  tokens.set('first', ownerOf('first', 3_600_000)).set('second', ownerOf('second', 3_600_000));
  const client = await open();
  for (const token of ['first', 'second', 'first']) client.send(token);
  await until(() => client.answers === 3);
  revoked.add('first');
  await sleep(1_000);
  t.equal(client.code, 0, 'the second is valid');
  revoked.add('second');
  await until(() => client.code !== 0, { timeoutMs: timeBound(1_000) });
  t.strictSame([client.code, client.reason], [4401, 'token_revoked']);
  t.strictSame(client.notices, [], 'neither is about to expire');
});

test('a token is announced once, a minute before it expires', async (t) => {
  const { open, tokens } = await openSockets(t, 60_000);
  tokens.set('long', ownerOf('long', 64_000)).set('short', ownerOf('short', 4_500));
  const client = await open();
  for (const token of ['long', 'short', 'short']) client.send(token);
  await until(() => client.notices.length === 1);
  t.match(client.notices[0], '"token_id":"short"');
  client.send('short');
  await until(() => client.notices.length === 2, { timeoutMs: 10_000 });
  t.match(client.notices[1], '"token_id":"long"');
  await sleep(1_000);
  t.equal(client.notices.length, 2);
  t.equal(client.code, 0, 'one token expires, and one has a minute left');
});

test('while nobody can tell, no token has ended', async (t) => {
  let isDown = true;
  const { open, tokens } = await openSockets(t, 60_000, {
    async revalidate() {
      if (isDown) throw new Error('the database is away');
      return undefined;
    },
  });
  tokens.set('one', ownerOf('one', 3_600_000));
  const client = await open();
  client.send('one');
  await until(() => client.answers === 1);
  await sleep(1_000);
  t.equal(client.code, 0);
  isDown = false;
  await until(() => client.code === 4401, { timeoutMs: timeBound(1_000) });
});

test('a client that reads no answers is not read, and loses its socket', async (t) => {
  let answered = 0;
  const { open } = await openSockets(t, 60_000, {
    pingMs: 1_500,
    answer: async () => ({ answer: { x: 'x'.repeat(100_000) }, channel: 'test', outcome: 'ok' }),
    onAnswer: () => (answered += 1),
  });
  const client = await open();
  client.socket.pause();
  const sending = setInterval(() => {
    if (client.socket.readyState === client.socket.OPEN) client.send('x'.repeat(60_000));
  }, 60);
  t.teardown(() => clearInterval(sending));
  await until(() => client.socket.bufferedAmount > 200_000 || client.code !== 0, {
    timeoutMs: 20_000,
    what: 'the server reads no more',
  });
  const before = answered;
  t.ok(before < 200, `${before} answers wait, in the kernel's buffers and one more`);
  clearInterval(sending);
  // It sees the end once it reads again.
  await sleep(3_500);
  client.socket.resume();
  await until(() => client.code !== 0, { timeoutMs: 10_000 });
  t.equal(client.code, 1006, 'cut off, since it answered no ping');
  t.ok(answered <= before + 1, `${answered} answers`);
});

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
