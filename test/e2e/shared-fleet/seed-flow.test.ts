import { createHash, randomBytes } from 'node:crypto';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { PASSWORD, shareFleet } from '../fleet.ts';

test("the seed documents' flow works through the gateway on two replicas", async (t) => {
  const fleet = await shareFleet();
  const { call, trail } = fleet;

  const health = (await (await call('GET', '/health')).json()) as {
    status: string;
    timestamp: string;
  };
  t.match(health, { status: 'healthy', timestamp: /^\d{4}-\d\d-\d\dT/ });

  const registered = await call('POST', '/api/users/register', {
    json: { email: 'user@example.com', password: 'securepassword123' },
  });
  t.equal(registered.status, 201);
  const { user } = (await registered.json()) as {
    user: { id: string; email: string; created: string };
  };
  t.match(user, { id: /^[0-9a-f-]{36}$/, email: 'user@example.com', created: /Z$/ });
  t.match(
    await (
      await call('POST', '/signup', { json: { email: 'user@example.com', password: PASSWORD } })
    ).json(),
    { code: 'email_taken' },
  );
  t.match(
    await (
      await call('POST', '/login', {
        json: { email: 'user@example.com', password: 'not the password' },
      })
    ).json(),
    { code: 'invalid_credentials' },
  );

  const login = (await (
    await call('POST', '/api/users/login', {
      json: { email: 'user@example.com', password: 'securepassword123' },
    })
  ).json()) as { token: string };
  const { token } = login;
  t.match(await (await call('GET', '/api/users/me', { token })).json(), {
    id: user.id,
    email: 'user@example.com',
  });
  const claims = await jwtVerify(
    token,
    createRemoteJWKSet(new URL(`${fleet.url}/.well-known/jwks.json`)),
    { issuer: 'muniment', audience: 'muniment-api', algorithms: ['EdDSA'] },
  );
  t.equal(claims.payload.sub, user.id, 'a stranger can verify the token with the published keys');

  const bytes = randomBytes(300_000);
  const uploaded = await fleet.upload(
    token,
    'file.pdf',
    Buffer.concat([Buffer.from('%PDF-1.7\n'), bytes]),
  );
  t.equal(uploaded.status, 201, uploaded.statusText);
  const file = (await uploaded.json()) as { id: string; sha256: string };
  t.match(file, {
    user_id: user.id,
    name: 'file.pdf',
    size: 300_009,
    mime_type: 'application/pdf',
    created: /Z$/,
  });
  t.match(await (await call('GET', '/api/files', { token })).json(), [
    { id: file.id, name: 'file.pdf' },
  ]);

  const downloaded = await call('GET', `/api/files/${file.id}`, { token });
  t.equal(downloaded.status, 200);
  t.match(downloaded.headers.get('content-disposition'), /^attachment; filename="?file\.pdf/);
  t.equal(downloaded.headers.get('x-content-type-options'), 'nosniff');
  const received = Buffer.from(await downloaded.arrayBuffer());
  t.equal(createHash('sha256').update(received).digest('hex'), file.sha256);
  const part = await call('GET', `/api/files/${file.id}`, {
    token,
    headers: { range: 'bytes=9-12' },
  });
  t.equal(part.status, 206);
  t.ok(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(0, 4)));

  const logs = await until(
    async () => {
      const found = await trail(token);
      return found.length >= 6 && found;
    },
    { what: 'all events are in the trail', timeoutMs: timeBound(10_000) },
  );
  t.strictSame(
    logs.map((log) => log.action),
    [
      'SIGNUP_SUCCESS',
      'LOGIN_FAIL',
      'LOGIN_SUCCESS',
      'FILE_UPLOAD',
      'FILE_DOWNLOAD',
      'FILE_DOWNLOAD',
    ],
  );
  t.match(
    logs.find((log) => log.action === 'FILE_UPLOAD'),
    {
      user_id: user.id,
      resource: file.id,
      ip: '127.0.0.1',
      user_agent: 'node',
      metadata: { filename: 'file.pdf', size: 300_009 },
    },
  );
  t.equal(new Set(logs.map((log) => log.id)).size, logs.length);

  for (const path of [
    '/metrics',
    '/health/live',
    '/health/ready',
    '/_s3/muniment-files/x',
    '/nowhere',
  ]) {
    const answer = await call('GET', path);
    t.equal(answer.status, 404, path);
    t.match(await answer.json(), { code: 'not_found' }, path);
  }
});
