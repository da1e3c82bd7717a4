import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InjectOptions } from 'fastify';
import { test, type Test } from 'tap';
import { addRoute } from '../add-route.ts';
import { build, checkProblem, type TestServer } from '../build.ts';

async function probe(t: Test, origins: string): Promise<TestServer> {
  const server = await build(t, { settings: { CORS_ORIGINS: origins } });
  addRoute(server.app, { url: '/things', handler: () => [] });
  addRoute(server.app, {
    method: 'POST',
    url: '/things',
    access: { permission: 'files:write' },
    handler: () => [],
  });
  return server;
}

test('every answer carries the security headers, whatever its status', async (t) => {
  const { app } = await probe(t, '');
  const requests: [string, InjectOptions, number][] = [
    ['success', { url: '/things' }, 200],
    ['not found', { url: '/nowhere' }, 404],
    ['not signed in', { method: 'POST', url: '/things' }, 401],
    ['malformed URL', { url: '/things/%zz' }, 400],
    ['health', { url: '/health/live' }, 200],
  ];
  for (const [name, request, status] of requests) {
    await t.test(name, async (t) => {
      const { headers, statusCode } = await app.inject(request);
      t.equal(statusCode, status);
      t.match(headers, {
        'cache-control': 'no-store',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
        'cross-origin-resource-policy': 'same-site',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
      });
      t.notOk('server' in headers || 'x-powered-by' in headers);
    });
  }
});

test('with no origins set, no origin is allowed', async (t) => {
  const { app } = await probe(t, '');
  const { headers } = await app.inject({
    url: '/things',
    headers: { origin: 'https://app.example' },
  });
  t.strictSame(
    Object.keys(headers).filter((name) => name.startsWith('access-control')),
    [],
  );
});

test('an origin on the list may call and read the headers that the API speaks in', async (t) => {
  const { app } = await probe(t, 'https://app.example, https://admin.example');
  for (const origin of ['https://app.example', 'https://admin.example']) {
    const { headers } = await app.inject({ url: '/things', headers: { origin } });
    t.equal(headers['access-control-allow-origin'], origin);
    t.equal(headers['access-control-allow-credentials'], 'true');
    t.match(headers.vary, /Origin/i);
    const exposed = String(headers['access-control-expose-headers']).split(/, */);
    for (const name of [
      'Link',
      'ETag',
      'Location',
      'Retry-After',
      'RateLimit',
      'RateLimit-Policy',
      'Tus-Resumable',
      'Upload-Offset',
      'Upload-Length',
      'Upload-Expires',
      'Accept-Ranges',
      'Allow',
      'Audit-Event',
      'Content-Disposition',
      'Content-Range',
      'Idempotent-Replayed',
      'Muniment-Tree-Size',
      'WWW-Authenticate',
      'X-Request-Id',
    ])
      t.ok(exposed.includes(name), name);
  }
});

test('an origin that is not on the list is named nowhere, not even as a part or with another scheme', async (t) => {
  const { app } = await probe(t, 'https://app.example');
  for (const origin of [
    'https://evil.example',
    'http://app.example',
    'https://app.example.evil.example',
    'https://xapp.example',
    'null',
    'https://app.example:8443',
  ]) {
    const { headers } = await app.inject({ url: '/things', headers: { origin } });
    t.equal(headers['access-control-allow-origin'], undefined, origin);
  }
});

test('a preflight from the list is answered without a token, one from elsewhere is given nothing', async (t) => {
  const { app } = await probe(t, 'https://app.example');
  const preflight = (origin: string) =>
    app.inject({
      method: 'OPTIONS',
      url: '/things',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    });
  const allowed = await preflight('https://app.example');
  t.equal(allowed.statusCode, 204);
  t.match(allowed.headers, {
    'access-control-allow-origin': 'https://app.example',
    'access-control-allow-methods': /POST/,
    'access-control-allow-headers': /authorization/,
    'access-control-max-age': '600',
  });
  t.equal(
    (await preflight('https://evil.example')).headers['access-control-allow-origin'],
    undefined,
  );
});

test('an error, too, can be read by an allowed origin', async (t) => {
  const { app } = await probe(t, 'https://app.example');
  const { statusCode, headers } = await app.inject({
    method: 'POST',
    url: '/things',
    headers: { origin: 'https://app.example' },
  });
  t.equal(statusCode, 401);
  t.equal(headers['access-control-allow-origin'], 'https://app.example');
});

test('an OPTIONS that is no preflight is a method like any that no route takes', async (t) => {
  const { app } = await probe(t, 'https://app.example');
  const origin = 'https://app.example';
  for (const headers of [{}, { origin }, { 'access-control-request-method': 'POST' }]) {
    const answer = await app.inject({ method: 'OPTIONS', url: '/things', headers });
    checkProblem(t, answer, 405, 'method_not_allowed');
    t.equal(answer.headers.allow, 'GET, HEAD, POST');
  }
});

test('a page of an allowed origin can read why its method or path is refused', async (t) => {
  const { app } = await probe(t, 'https://app.example');
  const headers = { origin: 'https://app.example' };
  for (const [method, url, status] of [
    ['DELETE', '/things', 405],
    ['GET', '/nowhere', 404],
  ] as const) {
    const answer = await app.inject({ method, url, headers });
    t.equal(answer.statusCode, status);
    t.equal(answer.headers['access-control-allow-origin'], headers.origin);
  }
});

test('the gateway exposes the same headers of its own answers', async (t) => {
  const { app } = await probe(t, 'https://app.example');
  const { headers } = await app.inject({
    url: '/things',
    headers: { origin: 'https://app.example' },
  });
  const nginx = readFileSync(
    join(import.meta.dirname, '../../../../nginx/nginx.conf.template'),
    'utf8',
  );
  const [, exposed] = /map \$cors_origin \$cors_expose \{[^}]*default "([^"]+)";/.exec(nginx) ?? [];
  t.equal(exposed, headers['access-control-expose-headers']);
});
