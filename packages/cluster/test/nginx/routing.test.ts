import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'tap';
import { freePort } from '../../src/free-port.ts';
import { gateway, raw, upstream } from './gateway.ts';

test('each path reaches its service, bare paths of the seed documents included', async (t) => {
  const [user, file, audit] = await Promise.all(
    ['user', 'file', 'audit'].map((name) => upstream(t, name)),
  );
  const { http } = await gateway(t, {
    user: [user!.port],
    file: [file!.port],
    audit: [audit!.port],
  });
  const expected: [string, string, string, string][] = [
    ['GET', '/health', 'user', '/health'],
    ['GET', '/.well-known/jwks.json', 'user', '/.well-known/jwks.json'],
    ['POST', '/signup', 'user', '/signup'],
    ['POST', '/login', 'user', '/login'],
    ['POST', '/api/users/register', 'user', '/api/users/register'],
    ['GET', '/api/users', 'user', '/api/users'],
    ['GET', '/api/users/search?q=a%20b', 'user', '/api/users/search?q=a%20b'],
    ['POST', '/api/auth/refresh', 'user', '/api/auth/refresh'],
    ['DELETE', '/api/auth/sessions', 'user', '/api/auth/sessions'],
    ['POST', '/auth/refresh', 'user', '/api/auth/refresh'],
    ['GET', '/users/me?x=1', 'user', '/api/users/me?x=1'],
    ['PATCH', '/users/me', 'user', '/api/users/me'],
    ['GET', '/vendor-profiles', 'user', '/api/vendor-profiles'],
    ['GET', '/api/vendor-profiles/by-country/DE', 'user', '/api/vendor-profiles/by-country/DE'],
    ['POST', '/api/v1/auth/login', 'user', '/api/v1/auth/login'],
    ['POST', '/api/files', 'file', '/api/files'],
    ['GET', '/api/files?cursor=%2F', 'file', '/api/files?cursor=%2F'],
    ['GET', '/api/files/abc', 'file', '/api/files/abc'],
    ['DELETE', '/api/files/abc', 'file', '/api/files/abc'],
    ['POST', '/api/files/direct', 'file', '/api/files/direct'],
    ['POST', '/api/uploads', 'file', '/api/uploads'],
    ['PATCH', '/api/uploads/abc', 'file', '/api/uploads/abc'],
    ['GET', '/api/links/token', 'file', '/api/links/token'],
    ['GET', '/api/audit/logs', 'audit', '/api/audit/logs'],
    ['POST', '/api/audit/events', 'audit', '/api/audit/events'],
    ['GET', '/api/audit/stream', 'audit', '/api/audit/stream'],
  ];
  const seen = { user: user!.seen, file: file!.seen, audit: audit!.seen };
  for (const [method, path, service, url] of expected) {
    const response = await fetch(http + path, {
      method,
      ...(method === 'POST' || method === 'PATCH' ? { body: '{}' } : {}),
    });
    t.same(await response.json(), { upstream: service }, `${method} ${path}`);
    const last = seen[service as keyof typeof seen].at(-1);
    t.match(last, { method, url }, `${method} ${path} as ${url}`);
    t.equal(
      last?.body,
      method === 'POST' || method === 'PATCH' ? '{}' : '',
      `${method} ${path} with its body`,
    );
  }
});

test('a bare path reaches the service as its client spelled it', async (t) => {
  const user = await upstream(t, 'user');
  const { port } = await gateway(t, { user: [user.port] });
  for (const path of [
    '/users/a%2Fb',
    '/users/a%2fb/c%252F?x=%2F&y=a%20b',
    '/vendor-profiles/by-country/D%45',
    '/users/%3Fx=1',
    '/users/a%23b',
    '/users/%C3%A4%25',
    '/users/a+b;c=d',
    '/auth//sessions',
    '/users?',
  ])
    for (const method of ['GET', 'DELETE']) {
      const request = `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
      t.match(await raw(port, request), /^HTTP\/1\.1 200/, `${method} ${path}`);
      t.match(user.seen.at(-1), { method, url: `/api${path}` }, `${method} ${path}`);
    }
});

test('a change under a bare path moves on to another replica with its spelling', async (t) => {
  const user = await upstream(t, 'user');
  const { http } = await gateway(t, { user: [await freePort(), await freePort(), user.port] });
  for (let n = 0; n < 3; n += 1) {
    const answer = await fetch(`${http}/users/a%2Fb?n=1`, { method: 'PUT', body: '{}' });
    t.equal(answer.status, 200);
    t.match(user.seen.at(-1), { method: 'PUT', url: '/api/users/a%2Fb?n=1', body: '{}' });
  }
});

test('credentials are limited under the bare paths too', async (t) => {
  const user = await upstream(t, 'user');
  const { http } = await gateway(t, { user: [user.port], limits: true });
  for (const path of ['/users/login', '/auth/refresh']) {
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => fetch(http + path, { method: 'POST', body: '{}' })),
    );
    t.ok(answers.filter(({ status }) => status === 429).length > 10, path);
  }
});

test('metrics, internal health and unknown paths are a 404 problem from outside', async (t) => {
  const user = await upstream(t, 'user');
  const { http, port } = await gateway(t, {
    user: [user.port],
    file: [user.port],
    audit: [user.port],
    s3: user.port,
  });
  for (const path of [
    '/metrics',
    '/health/live',
    '/health/ready',
    '/health/',
    '/',
    '/api',
    '/api/usersx',
    '/_problem/500',
    '/nothing',
    '/..;/metrics',
  ]) {
    const response = await fetch(http + path);
    t.equal(response.status, 404, path);
    t.equal(response.headers.get('content-type'), 'application/problem+json', path);
    t.match(
      await response.json(),
      {
        type: 'https://muniment.dev/problems/not_found',
        title: 'Not Found',
        status: 404,
        code: 'not_found',
        request_id: /^[0-9a-f]{32}$/,
      },
      path,
    );
  }
  for (const path of [
    '/api/users/../../metrics',
    '//metrics',
    '/api/users/%2e%2e/%2e%2e/metrics',
    '/./health/ready',
    '/metrics#/../api/users',
    '/%6detrics',
  ]) {
    t.match(
      await raw(port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
      /^HTTP\/1.1 404/,
      path,
    );
  }
  t.same(user.seen, [], 'nothing of it reached a service');
});

test('round robin spreads requests evenly over the replicas', async (t) => {
  const [first, second] = [await upstream(t, 'first'), await upstream(t, 'second')];
  const { http } = await gateway(t, { user: [first.port, second.port] });
  for (let n = 0; n < 20; n++) await (await fetch(`${http}/health`)).text();
  t.same([first.seen.length, second.seen.length], [10, 10]);
});

test("no path leads into a file system, and the storage's path from outside is like any other that is not there", async (t) => {
  const user = await upstream(t, 'user');
  const { http, port, dir } = await gateway(t, {
    user: [user.port],
    file: [user.port],
    s3: user.port,
  });
  chmodSync(dir, 0o755);
  mkdirSync(path.join(dir, 'html/users'), { recursive: true });
  writeFileSync(path.join(dir, 'html/users/x\ny'), 'from the disk');
  const shape = async (url: string): Promise<unknown> => {
    const response = await fetch(http + url, { redirect: 'manual' });
    const { date: _, 'x-request-id': id = '', ...headers } = Object.fromEntries(response.headers);
    return { status: response.status, headers, body: (await response.text()).replace(id, '') };
  };
  const absent = await shape('/nothing');
  for (const url of ['/users/x%0ay', '/_s3/bucket/key', '/_s3/', '/_s3'])
    t.same(await shape(url), absent, url);
  t.match(
    await raw(
      port,
      'POST /_s3/bucket/key HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
    ),
    /^HTTP\/1.1 404 [^]*"code":"not_found"/,
  );
  t.same(user.seen, []);
});
