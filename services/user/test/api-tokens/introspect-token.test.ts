import { test, type Test } from 'tap';
import { until } from '@muniment/testing';
import { build as buildServer, type SignedIn, type TestServer } from '../build.ts';

async function build(t: Test) {
  const server = await buildServer(t);
  const ada = await server.register();
  const root = await server.register('root@example.com');
  await server.rows(`update identity.users set type = 'admin' where id = $1`, [root.user.id]);
  await until(() => server.context.auth.revocations.userChangedAt(root.user.id) !== undefined);
  const make = async (who: SignedIn, scopes: string[], more: object = {}) =>
    (
      await server.call('POST', '/api/auth/tokens', {
        token: who.token,
        body: { name: 'x', scopes, ...more },
      })
    ).json<{ id: string; token: string }>();
  const form = (token: string, by: string, more = '') =>
    server.call('POST', '/api/auth/introspect', {
      token: by,
      body: `token=${encodeURIComponent(token)}${more}`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
  return { server, ada, root, make, form };
}

const isInactive = (t: Test, answer: Awaited<ReturnType<TestServer['call']>>, what: string) => {
  t.equal(answer.body, '{"active":false}', what);
  t.equal(answer.statusCode, 200, what);
  t.equal(answer.headers['cache-control'], 'no-store', what);
};

test('introspection tells the owner and scopes of live tokens', async (t) => {
  const { server, ada, root, make, form } = await build(t);
  const service = await make(root, ['tokens:introspect']);
  const access = await form(ada.token, service.token, '&token_type_hint=access_token');
  t.match(access.json(), {
    active: true,
    token_type: 'Bearer',
    kind: 'access_token',
    sub: ada.user.id,
    role: 'customer',
    sid: ada.session_id,
    iss: 'muniment',
    aud: 'muniment-api',
  });
  t.match(access.json<{ scope: string }>().scope, /\bsessions:manage\b/);
  t.notMatch(access.json<{ scope: string }>().scope, /directory/);
  const api = await make(ada, ['files:read', 'profile:read'], { allowed_ips: ['192.0.2.0/24'] });
  const answer = await form(api.token, service.token);
  t.match(answer.json(), {
    active: true,
    scope: 'files:read profile:read',
    kind: 'api_token',
    sub: ada.user.id,
    jti: api.id,
    allowed_ips: ['192.0.2.0/24'],
  });
  t.ok(Math.abs(answer.json<{ exp: number }>().exp - Date.now() / 1_000 - 7 * 86_400) < 10);
  t.match(
    (
      await server.call('POST', '/api/auth/introspect', {
        token: root.token,
        body: { token: ada.token },
      })
    ).json(),
    { active: true },
    "JSON, in an administrator's session",
  );
  const events = JSON.stringify(await server.events());
  t.notOk([ada.token, api.token].some((token) => events.includes(token)));
});

test('whatever does not count is answered in the same two words', async (t) => {
  const { server, ada, root, make, form } = await build(t);
  const { token: by } = await make(root, ['tokens:introspect']);
  const revoked = await make(ada, ['files:read']);
  await server.call('DELETE', `/api/auth/tokens/${revoked.id}`, { token: ada.token });
  isInactive(t, await form(revoked.token, by), 'a revoked API token');
  for (const [what, token] of Object.entries({
    refresh: ada.refresh_token,
    nonsense: 'x',
    checksum: revoked.token.slice(0, -1),
    'another signature': `${ada.token.slice(0, -4)}AAAA`,
    'no algorithm': [
      Buffer.from('{"alg":"none"}').toString('base64url'),
      ada.token.split('.')[1],
      '',
    ].join('.'),
    long: 'a'.repeat(20_000),
    unicode: '\u{1F600}',
    spaces: '   ',
  }))
    isInactive(t, await form(token, by), what);
  await server.call('POST', '/api/auth/logout', { token: ada.token });
  isInactive(t, await form(ada.token, by), 'the token of an ended session');
});

test('introspection needs its permission and a valid form', async (t) => {
  const { server, ada, root, make, form } = await build(t);
  t.equal((await form(root.token, ada.token)).statusCode, 403, 'a customer');
  t.match((await form(root.token, (await make(root, ['files:read'])).token)).json(), {
    status: 403,
    code: 'insufficient_scope',
  });
  t.equal(
    (await server.call('POST', '/api/auth/introspect', { body: { token: root.token } })).statusCode,
    401,
  );
  t.match((await form(ada.token, root.token, '&token=other')).json(), {
    status: 400,
    code: 'form_malformed',
  });
  for (const body of ['', 'token=', 'token_type_hint=x', 'token=x&client_secret=y']) {
    const answer = await server.call('POST', '/api/auth/introspect', {
      token: root.token,
      body,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    t.equal(answer.statusCode, 400, body);
  }
  t.equal(
    (
      await server.call('POST', '/api/users/login', {
        body: 'email=a&password=b',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      })
    ).statusCode,
    415,
    'no other route takes forms',
  );
});

test("scopes beyond the owner's present role are not told", async (t) => {
  const { server, ada, root, make, form } = await build(t);
  const { token: service } = await make(root, ['tokens:introspect']);
  const setRole = (role: string) =>
    server.rows(`update identity.users set type = $2 where id = $1`, [ada.user.id, role]);
  await setRole('admin');
  await until(() => server.context.auth.revocations.userChangedAt(ada.user.id) !== undefined);
  const { token } = await make(ada, ['profile:read', 'tokens:introspect']);
  await setRole('customer');
  const scopeNow = async () => (await form(token, service)).json<{ scope: string }>().scope;
  await until(async () => (await scopeNow()) === 'profile:read', { what: 'the role counts' });
  t.match((await form(token, service)).json(), { role: 'customer', scope: 'profile:read' });
});

test('a token of a key that is not valid any more is inactive, also by a stale feed', async (t) => {
  const { server, ada, root, make, form } = await build(t);
  const { token: service } = await make(root, ['tokens:introspect']);
  const { revocations, keys } = server.context.auth;
  revocations.isFresh = () => false;
  t.match((await form(ada.token, service)).json(), { active: true });
  keys.revalidate = () => Promise.resolve(false);
  isInactive(t, await form(ada.token, service), 'its key');
});
