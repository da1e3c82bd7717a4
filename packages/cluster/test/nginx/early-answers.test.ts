import type { RequestListener } from 'node:http';
import { connect } from 'node:net';
import { test, type Test } from 'tap';
import { until } from '@muniment/testing';
import { gateway, upstream } from './gateway.ts';

const refuse: RequestListener = (_request, response) => void response.writeHead(401).end('{}');
const breakOff: RequestListener = ({ socket }) => void socket.destroy();

/** A gateway whose file and audit services answer so. */
async function startGateway(t: Test, answer: RequestListener): Promise<number> {
  const { port } = await upstream(t, 'file', answer);
  return (await gateway(t, { file: [port], audit: [port] })).port;
}

/** Sends a half of a body. @returns the answer, once the gateway has ended the connection */
async function halfSend(t: Test, port: number, head: string): Promise<string> {
  // Half-open: the client still sends when the gateway has ended its side.
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  t.teardown(() => socket.destroy());
  let text = '';
  let ended = false;
  socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  socket.once('end', () => (ended = true));
  socket.write(`${head} HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n`);
  socket.write(Buffer.alloc(300_000, 'x'));
  await until(() => ended, { what: `the end of ${text}` });
  return text;
}

const STREAMED = [
  'POST /api/files',
  'POST /api/uploads',
  'PATCH /api/uploads/1',
  'POST /api/audit/events',
];

// Nginx ends such a connection. A client that was told to keep it loses its next request.
for (const [outcome, answer, status] of [
  ['refuses', refuse, 401],
  ['breaks off', breakOff, 502],
] as const)
  for (const head of STREAMED)
    test(`the answer to half a ${head} that the service ${outcome} says it ends`, async (t) => {
      const text = await halfSend(t, await startGateway(t, answer), head);
      t.match(text, new RegExp(`^HTTP/1\\.1 ${status} `));
      t.match(text, /^connection: close\r$/im);
      t.notMatch(text, /^connection: keep-alive/im);
    });
