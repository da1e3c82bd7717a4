import { connect as http2Connect, type IncomingHttpHeaders } from 'node:http2';
import { connect as tlsConnect } from 'node:tls';
import { test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { gateway, raw, upstream } from './gateway.ts';

interface Http2Answer {
  headers: IncomingHttpHeaders;
  body: string;
}

/** One GET over HTTP/2. Rejects when the stream breaks. */
async function getOverHttp2(port: number, path: string): Promise<Http2Answer> {
  const session = http2Connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  try {
    return await new Promise<Http2Answer>((resolve, reject) => {
      let headers: IncomingHttpHeaders = {};
      let body = '';
      const stream = session.request({ ':path': path });
      session.on('error', reject);
      stream.setTimeout(timeBound(5_000), () => reject(new Error(`no answer to GET ${path}`)));
      stream
        .setEncoding('utf8')
        .on('response', (fields) => (headers = fields))
        .on('data', (chunk: string) => (body += chunk))
        .on('error', reject)
        .on('end', () => resolve({ headers, body }))
        .end();
    });
  } finally {
    session.destroy();
  }
}

/** A HEADERS frame of literal fields: no client library sends Upgrade over HTTP/2. */
function rawRequest(fields: Record<string, string>): Buffer {
  const text = (value: string): Buffer =>
    Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  const block = Buffer.concat(
    Object.entries(fields).flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]),
  );
  const frame = (type: number, flags: number, stream: number, payload: Buffer): Buffer => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head.writeUInt8(type, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(stream, 5);
    return Buffer.concat([head, payload]);
  };
  const settings = frame(4, 0, 0, Buffer.alloc(0));
  const END_STREAM_AND_HEADERS = 0x05;
  const request = frame(1, END_STREAM_AND_HEADERS, 1, block);
  return Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settings, request]);
}

test('GET /ws over HTTP/2 is a 426 problem that does not break its stream', async (t) => {
  // As the user service answers: nginx would pass its Upgrade on.
  const user = await upstream(t, 'user', (_request, response) =>
    response.writeHead(426, { upgrade: 'websocket' }).end('{}'),
  );
  const { tlsPort } = await gateway(t, { user: [user.port] });
  for (const path of ['/ws', '/ws?x=1']) {
    const { headers, body } = await getOverHttp2(tlsPort, path);
    t.equal(headers[':status'], 426);
    t.equal(headers['content-type'], 'application/problem+json');
    t.notOk('upgrade' in headers || 'connection' in headers);
    t.match(JSON.parse(body), { status: 426, code: 'upgrade_required', request_id: /^\w{32}$/ });
  }
  t.same(user.seen, []);
});

test('an Upgrade field over HTTP/2 opens no WebSocket', async (t) => {
  let upgrades = 0;
  const user = await upstream(t, 'user');
  user.server.on('upgrade', (_request, socket) => {
    upgrades += 1;
    socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n');
  });
  const { tlsPort } = await gateway(t, { user: [user.port] });
  const socket = tlsConnect({
    port: tlsPort,
    host: '127.0.0.1',
    ALPNProtocols: ['h2'],
    rejectUnauthorized: false,
  });
  t.teardown(() => socket.destroy());
  socket.on('error', () => {}); // the wait below says what is missing
  socket.write(
    rawRequest({
      ':method': 'GET',
      ':scheme': 'https',
      ':authority': 'localhost',
      ':path': '/ws',
      upgrade: 'websocket',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-version': '13',
    }),
  );
  let answer = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk));
  await until(() => answer.includes('"code":"upgrade_required"'), {
    what: 'a 426 problem over HTTP/2',
    timeoutMs: timeBound(5_000),
  });
  t.equal(upgrades, 0);
});

test('GET /ws over HTTP/1.1 without an upgrade is a 426 problem with Upgrade', async (t) => {
  const { http, port } = await gateway(t, {});
  const answer = await fetch(`${http}/ws`, { headers: { 'x-probe': '1' } });
  t.equal(answer.status, 426, 'without any user service');
  t.equal(answer.headers.get('upgrade'), 'websocket');
  t.match(answer.headers.get('connection'), /\bupgrade\b/i);
  t.match(await answer.json(), { code: 'upgrade_required' });
  for (const fields of [
    'Connection: close\r\n',
    'Connection: Upgrade, close\r\nUpgrade: h2c\r\n',
    'Connection: Upgrade, close\r\nUpgrade: websocket, h2c\r\n',
  ])
    t.match(
      await raw(port, `GET /ws HTTP/1.1\r\nHost: x\r\n${fields}\r\n`),
      /^HTTP\/1\.1 426 [^]*"code":"upgrade_required"/,
      fields,
    );
});

test('other methods of /ws are the user service’s to answer', async (t) => {
  const user = await upstream(t, 'user');
  const { http } = await gateway(t, { user: [user.port] });
  for (const method of ['HEAD', 'POST', 'DELETE', 'OPTIONS'])
    t.equal((await fetch(`${http}/ws`, { method })).status, 200, method);
  t.equal(user.seen.length, 4);
});

test('a POST with Upgrade reaches the service as a plain request', async (t) => {
  let upgrades = 0;
  const user = await upstream(t, 'user');
  // A service answers such an upgrade, and reads nothing more from its connection.
  user.server.on('upgrade', (_request, socket) => {
    upgrades += 1;
    socket.write('HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}');
  });
  const { http, port } = await gateway(t, { user: [user.port] });
  const fields =
    'Host: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nContent-Length: 0\r\n';
  for (const method of ['POST', 'DELETE', 'HEAD', 'OPTIONS'])
    t.match(await raw(port, `${method} /ws HTTP/1.1\r\n${fields}\r\n`), /^HTTP\/1\.1 200/, method);
  t.equal(upgrades, 0);
  t.equal((await fetch(`${http}/api/users/me`)).status, 200, 'the pool holds no dead connection');
});
