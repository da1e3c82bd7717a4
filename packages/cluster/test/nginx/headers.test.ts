import { readFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { connect as http2Connect } from 'node:http2';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@muniment/testing';
import { test } from 'tap';
import { gateway, GATEWAY_SECRET, raw, upstream } from './gateway.ts';

test("the client address, request id, start time and scheme are the gateway's, whatever the client says", async (t) => {
  const user = await upstream(t, 'user');
  const { http } = await gateway(t, { user: [user.port] });
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const response = await fetch(`${http}/health`, {
    headers: {
      'x-forwarded-for': '1.2.3.4',
      'x-real-ip': '1.2.3.4',
      forwarded: 'for=1.2.3.4',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'evil',
      'x-request-id': 'mine',
      'x-request-start': '1',
      'x-gateway-secret': 'mine',
      traceparent,
    },
  });
  const headers = user.seen[0]?.headers ?? {};
  // Compared as a whole: a pattern would also match the end of "1.2.3.4, 127.0.0.1".
  t.same(
    [headers['x-forwarded-for'], headers['x-forwarded-proto'], headers.traceparent],
    ['127.0.0.1', 'http', traceparent],
  );
  t.match(headers, { 'x-request-id': /^[0-9a-f]{32}$/, 'x-request-start': /^\d{10}\.\d{3}$/ });
  t.same(
    [headers['x-real-ip'], headers.forwarded, headers['x-forwarded-host'], headers.upgrade],
    [undefined, undefined, undefined, undefined],
  );
  t.equal(headers['x-gateway-secret'], GATEWAY_SECRET);
  t.equal(response.headers.get('x-request-id'), headers['x-request-id']);
  t.equal(response.headers.get('server'), 'nginx', 'no version');
});

test('every way to a service carries the secret, and no log holds it', async (t) => {
  const services = {
    user: await upstream(t, 'user'),
    file: await upstream(t, 'file'),
    audit: await upstream(t, 'audit'),
  };
  const { http, dir, errorLog } = await gateway(t, {
    user: [services.user.port],
    file: [services.file.port],
    audit: [services.audit.port],
  });
  const ways = [
    'GET /health',
    'GET /api/users/me',
    'PATCH /api/users/me',
    'GET /api/files',
    'POST /api/files',
    'GET /api/files/1',
    'DELETE /api/files/1',
    'POST /api/uploads',
    'POST /api/audit/events',
    'GET /api/audit/export',
    'GET /api/audit/logs',
    'POST /api/audit/webhooks',
  ].map((way) => way.split(' ') as [string, string]);
  for (const [method, url] of ways) {
    const headers = { 'x-gateway-secret': 'mine', 'user-agent': 'tap' };
    const answer = await fetch(http + url, { method, headers });
    t.equal(answer.headers.get('x-gateway-secret'), null);
  }
  const seen = Object.values(services).flatMap((service) => service.seen);
  t.equal(seen.length, ways.length);
  for (const { method, url, headers } of seen)
    t.equal(headers['x-gateway-secret'], GATEWAY_SECRET, `${method} ${url}`);
  await until(() => readFileSync(path.join(dir, 'access.log'), 'utf8').includes('/webhooks'), {
    what: 'the access log',
  });
  t.notOk(readFileSync(path.join(dir, 'access.log'), 'utf8').includes(GATEWAY_SECRET));
  t.notOk(errorLog().includes(GATEWAY_SECRET));
});

test('nosniff and request id appear once; HSTS and HTTP/2 on TLS only', async (t) => {
  const user = await upstream(t, 'user', (_request, response) => {
    response
      .setHeader('x-content-type-options', 'nosniff')
      .setHeader('x-request-id', 'theirs')
      .setHeader('strict-transport-security', 'max-age=1')
      .end('{}');
  });
  const { http, tlsPort } = await gateway(t, { user: [user.port] });
  const plain = await fetch(`${http}/health`);
  t.equal(plain.headers.get('x-content-type-options'), 'nosniff');
  t.match(plain.headers.get('x-request-id'), /^[0-9a-f]{32}$/);
  t.equal(plain.headers.get('strict-transport-security'), null);

  const hsts = await new Promise((resolve, reject) => {
    const request = httpsRequest(
      `https://127.0.0.1:${tlsPort}/health`,
      { rejectUnauthorized: false },
      (response) => {
        response.resume().on('end', () => resolve(response.headers['strict-transport-security']));
      },
    );
    request.on('error', reject).end();
  });
  t.equal(hsts, 'max-age=31536000');

  const session = http2Connect(`https://127.0.0.1:${tlsPort}`, { rejectUnauthorized: false });
  t.teardown(() => session.close());
  const status = await new Promise((resolve, reject) =>
    session
      .request({ ':path': '/health' })
      .on('response', (headers) => resolve(headers[':status']))
      .on('error', reject)
      .end(),
  );
  t.equal(status, 200);
  t.match(user.seen.at(-1)?.headers, { 'x-forwarded-proto': 'https' });
});

test('the access log is JSON without query strings and share link tokens', async (t) => {
  const user = await upstream(t, 'user');
  const { http, dir } = await gateway(t, { user: [user.port], file: [user.port] });
  await fetch(`${http}/api/users/search?q=secret-one`);
  await fetch(`${http}/api/links/secret-two?x=secret-three`);
  await fetch(`${http}/nothing?secret-four`);
  await sleep(1300); // the log is flushed each second
  const text = readFileSync(path.join(dir, 'access.log'), 'utf8');
  t.notMatch(text, /secret/);
  // Each worker writes its own buffer, so lines are not in the order of requests.
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .toSorted((a, b) => b.path.localeCompare(a.path));
  t.match(lines, [
    { path: '/nothing', status: 404 },
    {
      path: '/api/users/search',
      status: 200,
      request_id: /^[0-9a-f]{32}$/,
      client: '127.0.0.1',
      upstream: `127.0.0.1:${user.port}`,
    },
    { path: '/api/links/-', status: 200 },
  ]);
});

test('the access log names the method of the request, also where the gateway answers', async (t) => {
  const user = await upstream(t, 'user');
  const { http, port, dir } = await gateway(t, { user: [user.port] });
  const sent: [string, string, number][] = [
    ['GET', '/nothing/a', 404],
    ['POST', '/nothing/b', 404],
    ['DELETE', '/nothing/c', 404],
    ['PROPFIND', '/nothing/d', 404],
    ['PUT', '/api/files/e', 502],
    ['PATCH', '/api/uploads/f', 502],
    ['POST', '/api/audit/events', 502],
    ['HEAD', '/reset-password', 200],
    ['PUT', '/reset-password', 405],
    ['DELETE', '/api/users/me', 200],
    ['PATCH', '/users/me', 200],
  ];
  for (const [method, path, status] of sent)
    t.equal((await fetch(http + path, { method })).status, status, `${method} ${path}`);
  const large = { method: 'POST', body: 'x'.repeat(300_000) };
  t.equal((await fetch(`${http}/login`, large)).status, 413);
  await raw(port, 'TRACE /t HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await raw(port, 'GARBAGE\r\n\r\n');
  await sleep(1300); // the log is flushed each second
  const logged = readFileSync(path.join(dir, 'access.log'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { method: string; path: string; status: number })
    .map(({ method, path, status }) => `${method} ${path} ${status}`);
  t.same(
    logged.toSorted(),
    [
      ...sent.map((entry) => entry.join(' ')),
      'POST /login 413',
      'TRACE /t 405',
      '  400',
    ].toSorted(),
  );
});

test('X-Accel-Redirect of another service is neither followed nor passed on', async (t) => {
  const s3 = await upstream(t, 's3');
  const user = await upstream(t, 'user', (_request, response) =>
    response
      .setHeader('x-accel-redirect', '/_s3/bucket/key')
      .setHeader('x-accel-limit-rate', '1')
      .end('own'),
  );
  const { http } = await gateway(t, {
    user: [user.port],
    audit: [user.port],
    file: [user.port],
    s3: s3.port,
  });
  for (const url of ['/api/users/me', '/health', '/api/audit/logs', '/api/files']) {
    const response = await fetch(http + url);
    t.equal(await response.text(), 'own', url);
    t.equal(response.headers.get('x-accel-redirect'), null);
  }
  for (const url of ['/api/files', '/api/files/x', '/api/uploads'])
    t.equal(
      await (await fetch(http + url, { method: 'POST', body: 'x' })).text(),
      'own',
      `POST ${url}`,
    );
  t.same(s3.seen, []);
});

test('a WebSocket upgrade reaches the user service at /ws only', async (t) => {
  const user = await upstream(t, 'user');
  user.server.on('upgrade', (request, socket) =>
    socket.end(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Url: ${request.url}\r\nX-Secret: ${String(request.headers['x-gateway-secret'])}\r\n\r\n`,
    ),
  );
  const { port, http } = await gateway(t, { user: [user.port] });
  const ask = (url: string): string =>
    `GET ${url} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`;
  const switched = await raw(port, ask('/ws'));
  t.match(switched, /^HTTP\/1.1 101 Switching Protocols/);
  t.match(switched, `X-Secret: ${GATEWAY_SECRET}`);
  await fetch(`${http}/api/users/me`, { headers: { 'x-probe': '1' } });
  t.equal(user.seen.at(-1)?.headers.upgrade, undefined);
});
