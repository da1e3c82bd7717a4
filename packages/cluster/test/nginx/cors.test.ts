import type { RequestListener } from 'node:http';
import { test, type Test } from 'tap';
import { FleetError } from '../../src/errors.ts';
import { nginxConfig } from '../../src/nginx/nginx-config.ts';
import { gateway, upstream } from './gateway.ts';

const ORIGIN = 'https://app.example';
const LOCAL = 'http://localhost:5173';
const ORIGINS = ` ${ORIGIN}, ${LOCAL},https://App.Example ,`;
const EXPOSED = [
  'Accept-Ranges',
  'Content-Disposition',
  'Content-Range',
  'ETag',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'WWW-Authenticate',
  'X-Request-Id',
];

function canRead(t: Test, answer: Response, name: string, origin = ORIGIN): void {
  t.equal(answer.headers.get('access-control-allow-origin'), origin, `${name}: origin`);
  t.equal(answer.headers.get('access-control-allow-credentials'), 'true', `${name}: credentials`);
  t.equal(answer.headers.get('vary'), 'Origin', `${name}: vary`);
  const exposed = answer.headers.get('access-control-expose-headers')?.split(', ') ?? [];
  t.same(
    EXPOSED.filter((header) => !exposed.includes(header)),
    [],
    `${name}: exposed`,
  );
}

const corsFields = (answer: Response): string[] =>
  [...answer.headers.keys()].filter((name) => name.startsWith('access-control-'));

const hang: RequestListener = (request) => void request.resume();
const toStorage: RequestListener = (_request, response) =>
  void response.setHeader('x-accel-redirect', '/_s3/bucket/key').end();

test("each of the gateway's own problems can be read by an allowed page", async (t) => {
  const [hanging, file] = [
    await upstream(t, 'hanging', hang),
    await upstream(t, 'file', toStorage),
  ];
  const { http } = await gateway(t, {
    audit: [hanging.port],
    file: [file.port],
    corsOrigins: ORIGINS,
  });
  const headers = { origin: ORIGIN };
  const large = 'x'.repeat(300_000);
  const requests: [number, string, RequestInit][] = [
    [404, '/nothing', {}],
    [404, '/', {}],
    [404, '/metrics', { method: 'DELETE' }],
    [405, '/reset-password', { method: 'PUT' }],
    [413, '/api/users/register', { method: 'POST', body: large }],
    [413, '/api/files', { method: 'POST', body: large.repeat(12) }],
    [426, '/ws', {}],
    [502, '/api/users/me', {}],
    [502, '/login', { method: 'POST', body: '{}' }],
    [502, '/users/me', { method: 'PATCH', body: '{}' }],
    [503, '/api/files/1', {}],
    [504, '/api/audit/logs', {}],
  ];
  await Promise.all(
    requests.map(async ([status, url, init]) => {
      const answer = await fetch(http + url, { headers, ...init });
      const name = `${init.method ?? 'GET'} ${url.slice(0, 30)}`;
      t.equal(answer.status, status, name);
      t.match(await answer.json(), { status, code: /^[a-z_]+$/ }, name);
      canRead(t, answer, name);
    }),
  );
  canRead(t, await fetch(`${http}/nothing`, { headers: { origin: LOCAL } }), 'another one', LOCAL);
});

test('the 429 of the gateway can be read by an allowed page', async (t) => {
  const user = await upstream(t, 'user');
  const { http } = await gateway(t, { user: [user.port], limits: true, corsOrigins: ORIGIN });
  const answers = await Promise.all(
    Array.from({ length: 200 }, () =>
      fetch(`${http}/login`, { method: 'POST', body: '{}', headers: { origin: ORIGIN } }),
    ),
  );
  const refused = answers.filter(({ status }) => status === 429);
  t.ok(refused.length > 10, `${refused.length} refused`);
  for (const answer of refused.slice(0, 3)) {
    t.equal(answer.headers.get('retry-after'), '1');
    canRead(t, answer, '429');
  }
});

test('no other page is given anything', async (t) => {
  const { http } = await gateway(t, { corsOrigins: ORIGINS });
  const foreign = [
    'https://evil.example',
    'http://app.example',
    'https://app.example.evil.example',
    'https://xapp.example',
    'https://app.example:8443',
    'null',
    'default',
  ];
  for (const origin of foreign) {
    const answer = await fetch(`${http}/nothing`, { headers: { origin } });
    t.equal(answer.status, 404);
    t.same(corsFields(answer), [], origin);
    const preflight = await fetch(`${http}/nothing`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST' },
    });
    t.not(preflight.status, 204, origin);
    t.same(corsFields(preflight), [], `${origin}: preflight`);
  }
  t.same(corsFields(await fetch(`${http}/nothing`)), [], 'a client without an origin');
  const closed = await gateway(t, {});
  t.same(
    corsFields(await fetch(`${closed.http}/nothing`, { headers: { origin: ORIGIN } })),
    [],
    'without CORS_ORIGINS',
  );
});

test('a preflight is answered even where no service answers, so that the problem is read', async (t) => {
  const file = await upstream(t, 'file');
  const { http } = await gateway(t, { file: [file.port], corsOrigins: ORIGINS });
  for (const url of ['/nothing', '/api/users/me', '/users/me', '/api/files', '/api/audit/logs']) {
    const answer = await fetch(http + url, {
      method: 'OPTIONS',
      headers: {
        origin: ORIGIN,
        'access-control-request-method': 'DELETE',
        'access-control-request-headers': 'authorization,content-type',
      },
    });
    t.equal(answer.status, 204, url);
    t.match(
      Object.fromEntries(answer.headers),
      {
        'access-control-allow-origin': ORIGIN,
        'access-control-allow-credentials': 'true',
        'access-control-allow-methods': 'GET, HEAD, POST, PATCH, PUT, DELETE',
        'access-control-allow-headers': 'authorization,content-type',
        'access-control-max-age': '600',
        vary: 'Origin, Access-Control-Request-Headers',
      },
      url,
    );
  }
  t.same(file.seen, [], 'no service is asked');
  const options = { method: 'OPTIONS', headers: { origin: ORIGIN } };
  t.equal((await fetch(`${http}/api/files`, options)).status, 200);
  t.equal(file.seen.length, 1, 'OPTIONS that is no preflight is the services');
});

test("a service's own answer keeps its CORS headers, once", async (t) => {
  const user = await upstream(t, 'user', (_request, response) =>
    response
      .setHeader('access-control-allow-origin', ORIGIN)
      .setHeader('access-control-expose-headers', 'ETag')
      .setHeader('vary', 'Origin')
      .writeHead(404)
      .end('{}'),
  );
  const { http } = await gateway(t, { user: [user.port], corsOrigins: ORIGIN });
  const { headers } = await fetch(`${http}/api/users/me`, { headers: { origin: ORIGIN } });
  t.equal(headers.get('access-control-allow-origin'), ORIGIN);
  t.equal(headers.get('access-control-expose-headers'), 'ETag');
  t.equal(headers.get('vary'), 'Origin');
});

test('what is no origin stops the start and names CORS_ORIGINS', (t) => {
  const config = {
    dir: '/data',
    hosts: ['127.0.0.1'],
    port: 8080,
    upstreams: { user: [1], file: [2], audit: [3] },
    s3Host: '127.0.0.1:5',
    uploadMaxBytes: 1024,
    limits: true,
    pages: '/data/pages',
    secret: 'unused',
    root: false,
  };
  for (const corsOrigins of [
    '*',
    'default',
    'null',
    'https://a"; b',
    'https://$host',
    'app.example',
  ])
    t.throws(
      () => nginxConfig({ ...config, corsOrigins }),
      { constructor: FleetError, message: /^CORS_ORIGINS=/ },
      corsOrigins,
    );
  for (const corsOrigins of ['', 'http://[::1]:5173', `https://${'long.'.repeat(30)}example`])
    t.doesNotThrow(() => nginxConfig({ ...config, corsOrigins }), corsOrigins);
  t.end();
});
