import { test } from 'tap';
import { build, type TestServer } from '../build.ts';
import { revokeKeys, rotateKeys } from '../../signing-keys/rotate-signing-keys.ts';

const kidOf = (token: string): string =>
  (JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: string })
    .kid;
const profile = async (server: TestServer, token: string): Promise<number> =>
  (await server.call('GET', '/api/users/me', { token })).statusCode;
const published = async ({ call }: TestServer): Promise<string[]> =>
  (await call('GET', '/.well-known/jwks.json'))
    .json<{ keys: { kid: string }[] }>()
    .keys.map(({ kid }) => kid);
const refresh = async (server: TestServer, refreshToken: string): Promise<string> =>
  (await server.call('POST', '/api/auth/refresh', { body: { refresh_token: refreshToken } })).json<{
    token: string;
  }>().token;

interface StoredKey {
  kid: string;
  status: string;
  wrapped_private: Buffer | null;
  retires_at: Date | null;
}

test('the next key is published before it signs, and old tokens stay valid', async (t) => {
  const server = await build(t);
  const { token, refresh_token: refreshToken } = await server.register();
  const [before, coming] = [await published(server), kidOf(token)];
  t.equal(before.length, 2);
  t.ok(before.includes(coming));
  const rotation = await rotateKeys(server.context);
  t.ok(
    rotation && before.includes(rotation.active) && rotation.active !== coming,
    'who had kept the JWKS knows the key already',
  );
  t.equal(kidOf(await refresh(server, refreshToken)), rotation?.active);
  t.equal(await profile(server, token), 200);
  t.same(new Set(await published(server)), new Set([...before, rotation?.next]));
  const [retired] = await server.rows<StoredKey>(
    'select * from identity.signing_keys where kid = $1',
    [coming],
  );
  t.match(retired, { status: 'retired', wrapped_private: null });
  const hours = ((retired?.retires_at?.getTime() ?? 0) - Date.now()) / 3_600_000;
  t.ok(hours > 24 && hours < 26, 'longer than any token lives');
  t.match((await server.events()).at(-2), {
    action: 'SIGNING_KEY_ROTATED',
    resource: rotation?.active,
    metadata: { by: 'operator', retired: coming, next: rotation?.next },
  });
});

test('an expired retired key verifies no token, whatever the token says', async (t) => {
  const server = await build(t);
  const { token } = await server.register();
  await rotateKeys(server.context);
  await server.rows('update identity.signing_keys set retires_at = now() where kid = $1', [
    kidOf(token),
  ]);
  await server.context.auth.keys.refresh();
  t.equal(await profile(server, token), 401);
  t.notOk((await published(server)).includes(kidOf(token)));
});

test('a compromised key ends its tokens but no session', async (t) => {
  const server = await build(t);
  const { token, refresh_token: refreshToken } = await server.register();
  const next = (await published(server)).find((kid) => kid !== kidOf(token));
  const rotation = await revokeKeys(server.context, [kidOf(token)]);
  t.match(rotation, { active: next, compromised: [kidOf(token)], retired: null });
  t.equal(await profile(server, token), 401);
  const fresh = await refresh(server, refreshToken);
  t.equal(kidOf(fresh), next);
  t.equal(await profile(server, fresh), 200);
  t.notOk((await published(server)).includes(kidOf(token)));
  t.match(
    await server.rows('select status, wrapped_private from identity.signing_keys where kid = $1', [
      kidOf(token),
    ]),
    [{ status: 'compromised', wrapped_private: null }],
  );
  t.match(
    (await server.events()).filter(({ action }) => action === 'SIGNING_KEY_COMPROMISED'),
    [{ resource: kidOf(token), metadata: { by: 'operator', active: next } }],
  );
});

test('all keys can be replaced after a theft of the master key', async (t) => {
  const server = await build(t);
  const { token } = await server.register();
  await rotateKeys(server.context);
  const before = await published(server);
  const rotation = await revokeKeys(server.context, 'all');
  t.same(rotation?.compromised.toSorted(), before.toSorted());
  t.same(new Set(await published(server)), new Set([rotation?.active, rotation?.next]));
  t.equal(await profile(server, token), 401);
  t.equal(await revokeKeys(server.context, [kidOf(token), 'no such key']), undefined);
});

test('of replicas that all find a rotation due one rotates, once', async (t) => {
  const server = await build(t);
  const { token } = await server.register();
  const replicas = [server, await server.replica(), await server.replica()];
  t.same(
    await Promise.all(replicas.map((replica) => rotateKeys(replica.context, { afterDays: 30 }))),
    [undefined, undefined, undefined],
    'not yet due',
  );
  await server.rows(
    `update identity.signing_keys set activated_at = now() - interval '31 days' where kid = $1`,
    [kidOf(token)],
  );
  const rotations = await Promise.all(
    [...replicas, ...replicas].map((replica) => rotateKeys(replica.context, { afterDays: 30 })),
  );
  t.equal(rotations.filter((rotation) => rotation !== undefined).length, 1);
  t.match(
    await server.rows(
      `select status, count(*)::int as keys from identity.signing_keys
       group by status order by status`,
    ),
    [
      { status: 'active', keys: 1 },
      { status: 'next', keys: 1 },
      { status: 'retired', keys: 1 },
    ],
  );
  t.match(
    (await server.events()).filter(({ action }) => action === 'SIGNING_KEY_ROTATED'),
    [{ metadata: { by: 'schedule' } }],
  );
});

test('the JWKS may be cached for minutes and revalidated by its ETag', async (t) => {
  const server = await build(t);
  const answer = await server.call('GET', '/.well-known/jwks.json');
  t.equal(answer.headers['cache-control'], 'public, max-age=300');
  const etag = String(answer.headers.etag);
  for (const tag of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
    const again = await server.call('GET', '/.well-known/jwks.json', {
      headers: { 'if-none-match': tag },
    });
    t.equal(again.statusCode, 304, tag);
    t.equal(again.body, '');
    t.match(again.headers, { etag, 'cache-control': 'public, max-age=300' });
  }
  await rotateKeys(server.context);
  t.equal(
    (await server.call('GET', '/.well-known/jwks.json', { headers: { 'if-none-match': etag } }))
      .statusCode,
    200,
  );
});
