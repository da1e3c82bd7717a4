import { connect } from 'node:net';
import { test } from 'tap';
import { GATEWAY_HEADERS, timeBound } from '@muniment/testing';
import { build, type TestServer } from '../build.ts';

const VALID = {
  ...GATEWAY_HEADERS,
  host: 'localhost',
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version': '13',
};

interface Answer {
  status: number;
  head: string;
  body: string;
}

/** Sends the bytes of a handshake and reads until the server closes. */
function shakeHands(
  { context }: TestServer,
  fields: Record<string, string | undefined>,
  line = 'GET /ws HTTP/1.1',
): Promise<Answer> {
  const address = context.http.app.server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const lines = Object.entries({ ...VALID, ...fields }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`],
  );
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () =>
      socket.write([line, ...lines, '', ''].join('\r\n')),
    );
    socket.setTimeout(timeBound(5_000), () => socket.destroy(new Error('no end of the answer')));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (text.startsWith('HTTP/1.1 101')) socket.destroy();
    });
    socket.once('error', reject).once('close', () => {
      const [head = '', body = ''] = text.split('\r\n\r\n');
      resolve({ status: Number(head.slice(9, 12)), head: head.toLowerCase(), body });
    });
  });
}

test('every handshake that breaks RFC 6455 is answered by a problem', async (t) => {
  const server = await build(t);
  await server.context.http.app.listen({ host: '127.0.0.1', port: 0 });
  const id = '0af7651916cd43dd8448eb211c80319c';
  t.equal((await shakeHands(server, {})).status, 101, 'the others differ in one field');
  for (const [name, fields] of Object.entries<Record<string, string | undefined>>({
    'no key': { 'sec-websocket-key': undefined },
    'a short key': { 'sec-websocket-key': 'c2hvcnQ=' },
    'no version': { 'sec-websocket-version': undefined },
    'version 12': { 'sec-websocket-version': '12' },
    'a version that is none': { 'sec-websocket-version': 'thirteen' },
    'another protocol': { upgrade: 'h2c' },
    'a malformed subprotocol': { 'sec-websocket-protocol': 'a,,b' },
    'a repeated subprotocol': { 'sec-websocket-protocol': 'a, a' },
  })) {
    const { status, head, body } = await shakeHands(server, { ...fields, 'x-request-id': id });
    t.equal(status, 400, name);
    t.match(head, 'content-type: application/problem+json', name);
    t.match(head, 'cache-control: no-store', name);
    t.match(head, 'connection: close', name);
    t.match(head, `content-length: ${Buffer.byteLength(body)}`, name);
    t.match(head, 'sec-websocket-version: 13', name);
    t.match(
      JSON.parse(body),
      {
        type: 'https://muniment.dev/problems/handshake_malformed',
        title: 'Bad Request',
        status: 400,
        code: 'handshake_malformed',
        detail: /\.$/,
        request_id: id,
      },
      name,
    );
  }
});

test('an upgrade at another path or by another method is a problem too', async (t) => {
  const server = await build(t);
  await server.context.http.app.listen({ host: '127.0.0.1', port: 0 });
  for (const line of ['POST /ws HTTP/1.1', 'POST /login HTTP/1.1', 'GET /nothing HTTP/1.1']) {
    const { status, head, body } = await shakeHands(server, {}, line);
    t.ok(status >= 400 && status < 500, `${line}: ${status}`);
    t.match(head, 'application/problem+json', line);
    t.match(JSON.parse(body), { status, code: /^[a-z_]+$/, request_id: /^[0-9a-f]{32}$/ }, line);
  }
});
