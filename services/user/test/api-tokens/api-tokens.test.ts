import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import tap, { test, type Test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { build as buildServer, PASSWORD, type SignedIn, type TestServer } from '../build.ts';

interface Made {
  id: string;
  token: string;
  scopes: string[];
  allowed_ips: string[];
  expires_at: string;
  last_used_at: string | null;
  [name: string]: unknown;
}

/** One for all tests: each has users of its own. */
const server = await buildServer(tap);
let users = 0;
const newUser = (): Promise<SignedIn> => server.register(`user-${(users += 1)}@example.com`);

/** A new user, and what is in the trail since. */
async function build(t: Test) {
  const ada = await newUser();
  const before = (await server.events()).length;
  return {
    ada,
    events: async () => (await server.events()).slice(before),
    async make(body = {}, owner = ada) {
      const answer = await server.call('POST', '/api/auth/tokens', {
        token: owner.token,
        body: { name: 'deploy', scopes: ['profile:read'], ...body },
      });
      t.equal(answer.statusCode, 201, answer.body);
      return answer.json<Made>();
    },
  };
}

const me = (replica: TestServer, token: string, headers: Record<string, string> = {}) =>
  replica.call('GET', '/api/users/me', { token, headers });

async function makeAdmin(): Promise<SignedIn> {
  const admin = await newUser();
  await server.rows(`update identity.users set type = 'admin' where id = $1`, [admin.user.id]);
  await until(() => server.context.auth.revocations.userChangedAt(admin.user.id) !== undefined);
  return admin;
}

/** Refused within the second that is promised. */
async function refusedSoon(
  t: Test,
  look: () => Promise<{ statusCode: number }>,
  status: number,
  what: string,
): Promise<void> {
  const startedAt = performance.now();
  let got = 0;
  while (
    performance.now() - startedAt < timeBound(1_000) &&
    (got = (await look()).statusCode) !== status
  )
    await sleep(10);
  t.equal(got, status, what);
}

test('a token is shown once and grants its scopes', async (t) => {
  const { events, ada, make } = await build(t);
  const made = await make({ scopes: ['profile:read', 'files:read', 'profile:read'] });
  t.match(made.token, /^mun_[0-9A-Za-z]{49}$/);
  t.match(made, {
    user_id: ada.user.id,
    name: 'deploy',
    scopes: ['files:read', 'profile:read'],
    allowed_ips: [],
    last_used_at: null,
    user_agent: 'tap',
    ip: '127.0.0.1',
  });
  t.ok(Math.abs(Date.parse(made.expires_at) - Date.now() - 7 * 86_400_000) < 10_000, 'seven days');
  t.equal((await me(server, made.token)).json<{ id: string }>().id, ada.user.id);
  const list = (await server.call('GET', '/api/auth/tokens', { token: ada.token })).json<{
    data: Made[];
  }>();
  t.strictSame(
    list.data.map(({ id }) => id),
    [made.id],
  );
  t.notMatch(JSON.stringify(list), /mun_|token_hash/);
  t.match(
    (await events()).filter(({ action }) => action === 'API_TOKEN_CREATED'),
    [
      {
        outcome: 'success',
        user_id: ada.user.id,
        session_id: ada.session_id,
        metadata: { scopes: ['files:read', 'profile:read'], owner: ada.user.id },
      },
    ],
  );
});

test('a token stands in no event and no table', async (t) => {
  const { ada, events } = await build(t);
  const post = () =>
    server.call('POST', '/api/auth/tokens', {
      token: ada.token,
      body: { name: 'kept answer', scopes: ['profile:read'] },
      headers: { 'idempotency-key': 'once' },
    });
  const { token, id } = (await post()).json<Made>();
  t.equal((await post()).json<Made>().token, token, 'a retry under the same key gets it again');
  await me(server, token);
  await me(server, `${token.slice(0, -1)}!`);
  const tables = await server.rows<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
     where schemaname in ('identity', 'shared', 'keys', 'audit', 'files')`,
  );
  let dump = '';
  for (const { name } of tables)
    dump +=
      (
        await server.rows<{ text: string | null }>(
          `select string_agg(r::text, ' ') as text from ${name} r`,
        )
      )[0]?.text ?? '';
  t.ok(dump.includes(id), 'the dump has the row');
  t.notOk(dump.includes(token.slice(4, 30)), 'and not the token');
  const trail = JSON.stringify(await events());
  const [stored] = await server.rows<{ hash: string; base64: string }>(
    `select encode(token_hash, 'hex') as hash, encode(token_hash, 'base64') as base64
     from identity.api_tokens where id = $1`,
    [id],
  );
  t.notOk(
    [token.slice(4, 30), stored?.hash ?? 'none', stored?.base64 ?? 'none'].some((secret) =>
      trail.includes(secret),
    ),
    'no event holds it or its hash',
  );
  await server.call('DELETE', `/api/auth/tokens/${id}`, { token: ada.token });
  t.match(
    (await post()).json(),
    { status: 409, code: 'idempotency_answer_gone' },
    'and not once it is revoked',
  );
});

test('what was done by a token says so in the trail', async (t) => {
  const { events, ada, make } = await build(t);
  const { id, token } = await make({ scopes: ['profile:write'] });
  t.equal(
    (await server.call('PATCH', '/api/users/me', { token, body: { name: 'Ada' } })).statusCode,
    200,
  );
  t.match((await events()).at(-1), {
    action: 'USER_UPDATED',
    user_id: ada.user.id,
    session_id: null,
    metadata: { api_token: id, fields: ['name'] },
  });
});

test('forged, truncated and over-long tokens are refused without a query', async (t) => {
  const { make } = await build(t);
  const { token } = await make();
  const flipped = token.slice(0, 10) + (token[10] === 'a' ? 'b' : 'a') + token.slice(11);
  let asked = 0;
  const find = server.context.auth.apiTokens.find;
  server.context.auth.apiTokens.find = async (text) => {
    asked += 1;
    return find(text);
  };
  for (const bad of [
    flipped,
    token.slice(0, -1),
    `${token}0`,
    token.toUpperCase(),
    token.replace('mun_', 'mrt_'),
    `mun_${'a'.repeat(8_000)}`,
    `${token}.${token}`,
  ]) {
    const answer = await me(server, bad);
    t.equal(answer.statusCode, 401, bad.slice(0, 20));
    t.equal(answer.json<{ code: string }>().code, 'unauthenticated');
  }
  t.equal(asked, 0);
  t.equal((await me(server, token)).statusCode, 200, 'the good one');
  t.equal(asked, 1);
});

test('tokens count for nothing where another kind is wanted', async (t) => {
  const { ada, make } = await build(t);
  const { token } = await make();
  const refresh = await server.call('POST', '/api/auth/refresh', {
    body: { refresh_token: token },
  });
  t.equal(refresh.statusCode, 401, refresh.body);
  t.equal((await me(server, ada.refresh_token)).statusCode, 401, 'a refresh token as bearer');
});

test('a token cannot manage tokens, sessions or the account', async (t) => {
  const { events, ada, make } = await build(t);
  const { id, token } = await make({
    scopes: [
      'profile:read',
      'profile:write',
      'profile:delete',
      'files:read',
      'files:write',
      'audit:read-own',
    ],
  });
  const attempts = [
    ['POST', '/api/auth/tokens', { name: 'more', scopes: ['profile:read'] }],
    ['GET', '/api/auth/tokens'],
    ['DELETE', `/api/auth/tokens/${id}`],
    ['GET', '/api/auth/sessions'],
    ['DELETE', '/api/auth/sessions'],
    ['DELETE', `/api/auth/sessions/${ada.session_id}`],
    ['POST', '/api/auth/logout'],
    [
      'POST',
      '/api/users/me/password',
      { current_password: PASSWORD, new_password: 'another good one' },
    ],
    ['DELETE', '/api/users/me', { password: PASSWORD }],
  ] as const;
  for (const [method, url, body] of attempts) {
    const answer = await server.call(method, url, { token, ...(body && { body }) });
    t.match(
      { status: answer.statusCode, ...answer.json<object>() },
      { status: 403, code: 'session_required' },
      `${method} ${url}`,
    );
  }
  const refusals = (await events()).filter(({ action }) => action === 'ACCESS_DENIED');
  t.equal(refusals.length, attempts.length);
  t.ok(
    refusals.every(
      ({ metadata }) => metadata.reason === 'session_required' && metadata.api_token === id,
    ),
  );
  t.strictSame(
    await server.rows<{ count: number }>(
      `select count(*)::int as count from identity.api_tokens
         where revoked_at is null and user_id = $1`,
      [ada.user.id],
    ),
    [{ count: 1 }],
  );
});

test('a token is refused beyond its scopes by RFC 6750, with an event', async (t) => {
  const { events, make } = await build(t);
  const { id, token } = await make({ scopes: ['files:read'] });
  const answer = await me(server, token);
  t.match(answer.json(), { status: 403, code: 'insufficient_scope' });
  t.equal(
    answer.headers['www-authenticate'],
    'Bearer realm="muniment", error="insufficient_scope", scope="profile:read"',
  );
  t.match((await events()).at(-1), {
    action: 'ACCESS_DENIED',
    outcome: 'failure',
    metadata: { permission: 'profile:read', reason: 'scope', api_token: id },
  });
});

test('a token used from a foreign address is refused like an unknown one', async (t) => {
  const { events, ada, make } = await build(t);
  const { id, token } = await make({
    allowed_ips: ['192.0.2.77/24', '2001:db8::/32', '198.51.100.7'],
  });
  t.strictSame(
    await server.rows<{ ips: string }>(
      'select allowed_ips::text as ips from identity.api_tokens where id = $1',
      [id],
    ),
    [{ ips: '{192.0.2.0/24,2001:db8::/32,198.51.100.7/32}' }],
  );
  for (const inside of ['192.0.2.1', '2001:db8:1::1', '198.51.100.7', '::ffff:192.0.2.9'])
    t.equal((await me(server, token, { 'x-forwarded-for': inside })).statusCode, 200, inside);
  const outside = await me(server, token, { 'x-forwarded-for': '198.51.100.8' });
  const unknown = await me(server, 'mun_x');
  t.strictSame(
    { ...outside.json<object>(), request_id: '' },
    { ...unknown.json<object>(), request_id: '' },
  );
  t.equal(outside.headers['www-authenticate'], unknown.headers['www-authenticate']);
  t.match((await events()).at(-1), {
    action: 'ACCESS_DENIED',
    outcome: 'failure',
    user_id: ada.user.id,
    metadata: { reason: 'address', api_token: id },
  });
  await server.context.auth.apiTokensLastSeen.flush({ all: true });
  t.not(
    (
      await server.rows<{ ip: string }>(
        'select last_used_ip as ip from identity.api_tokens where id = $1',
        [id],
      )
    )[0]?.ip,
    '198.51.100.8',
  );
});

test('wrong scopes, lists, lifetimes and names make no token', async (t) => {
  const { events, ada } = await build(t);
  const post = (body: object) =>
    server.call('POST', '/api/auth/tokens', {
      token: ada.token,
      body: { name: 'x', scopes: ['profile:read'], ...body },
    });
  for (const scope of [
    'files:everything',
    'constructor',
    'sessions:manage',
    'tokens:manage',
    'account:manage',
    '*',
  ])
    t.match(
      (await post({ scopes: [scope] })).json(),
      { status: 422, code: 'scope_unknown' },
      scope,
    );
  for (const scope of ['directory:read', 'audit:write-events', 'tokens:introspect'])
    t.match(
      (await post({ scopes: ['profile:read', scope] })).json(),
      { status: 403, code: 'scope_denied' },
      scope,
    );
  for (const range of [
    '10.0.0.0/33',
    '::/129',
    '127.1',
    '010.0.0.1',
    'localhost',
    '10.0.0.1/',
    '1.2.3.4/-1',
    'fe80::1%eth0',
  ])
    t.match(
      (await post({ allowed_ips: [range] })).json(),
      { status: 422, code: 'allow_list_malformed' },
      range,
    );
  for (const body of [
    { expires_in: 59 },
    { expires_in: 365 * 86_400 + 1 },
    { expires_in: '900' },
    { scopes: [] },
    { name: '' },
    { name: 'x'.repeat(101) },
    { token: 'mine' },
    { user_id: 'x' },
  ])
    t.equal((await post(body)).statusCode, 400, JSON.stringify(body).slice(0, 40));
  t.strictSame(
    await server.rows('select 1 from identity.api_tokens where user_id = $1', [ada.user.id]),
    [],
  );
  t.equal(
    (await events()).filter(
      ({ action, error }) => action === 'API_TOKEN_CREATED' && error === 'scope_denied',
    ).length,
    3,
  );
});

test('a user has at most a hundred tokens, also by concurrent requests', async (t) => {
  const { ada, make } = await build(t);
  const { id } = await make();
  await server.rows(
    `insert into identity.api_tokens (id, user_id, token_hash, name, scopes, expires_at)
    select gen_random_uuid(), $1, sha256(convert_to($1::uuid::text || n, 'UTF8')),
       'n', '{files:read}',
       now() + interval '1 day' from generate_series(1, 97) n`,
    [ada.user.id],
  );
  const answers = await Promise.all(
    Array.from({ length: 6 }, () =>
      server.call('POST', '/api/auth/tokens', {
        token: ada.token,
        body: { name: 'x', scopes: ['profile:read'] },
      }),
    ),
  );
  t.strictSame(
    answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b),
    [201, 201, 409, 409, 409, 409],
  );
  await server.call('DELETE', `/api/auth/tokens/${id}`, { token: ada.token });
  await make();
});

test('a revoked token is refused at once by every replica', async (t) => {
  const { events, ada, make } = await build(t);
  const there = await server.replica();
  const { id, token } = await make();
  for (const each of [server, there]) t.equal((await me(each, token)).statusCode, 200);
  let stop = false;
  const letIn: number[] = [];
  const use = async (each: TestServer): Promise<void> => {
    while (!stop) if ((await me(each, token)).statusCode === 200) letIn.push(performance.now());
  };
  const users = [use(server), use(there)];
  await sleep(50);
  t.equal(
    (await server.call('DELETE', `/api/auth/tokens/${id}`, { token: ada.token })).statusCode,
    204,
  );
  const revokedAt = performance.now();
  await refusedSoon(t, () => me(there, token), 401, 'the other replica');
  await sleep(300);
  stop = true;
  await Promise.all(users);
  t.ok(
    Math.max(...letIn) - revokedAt < timeBound(1_000),
    `let in for ${Math.round(Math.max(...letIn) - revokedAt)} ms`,
  );
  t.equal((await me(server, token)).statusCode, 401);
  t.match((await events()).at(-1), {
    action: 'API_TOKEN_REVOKED',
    resource: id,
    user_id: ada.user.id,
  });
  t.equal(
    (await server.call('DELETE', `/api/auth/tokens/${id}`, { token: ada.token })).statusCode,
    404,
    'a second time',
  );
});

test("another's token and an absent one are not found alike", async (t) => {
  const { make } = await build(t);
  const { id, token } = await make();
  const bob = await newUser();
  const admin = await makeAdmin();
  for (const who of [bob, admin]) {
    const others = await server.call('DELETE', `/api/auth/tokens/${id}`, { token: who.token });
    const absent = await server.call('DELETE', `/api/auth/tokens/${randomUUID()}`, {
      token: who.token,
    });
    t.equal(others.statusCode, 404);
    t.strictSame(
      { ...others.json<object>(), request_id: '' },
      { ...absent.json<object>(), request_id: '' },
    );
  }
  t.equal((await me(server, token)).statusCode, 200);
});

test('suspending, demoting or deleting the owner ends the token', async (t) => {
  const there = await server.replica();
  // The last administrator could not be demoted.
  const [admin] = [await makeAdmin(), await makeAdmin()];
  const answer = await server.call('POST', '/api/auth/tokens', {
    token: admin.token,
    body: { name: 'x', scopes: ['profile:read', 'service-accounts:manage'] },
  });
  t.equal(answer.statusCode, 422, 'no token manages service accounts');
  const made = (
    await server.call('POST', '/api/auth/tokens', {
      token: admin.token,
      body: { name: 'x', scopes: ['profile:read', 'tokens:introspect'] },
    })
  ).json<Made>();
  const introspect = (each: TestServer) => each.context.auth.apiTokens.find(made.token);
  t.strictSame((await introspect(there))?.token.role, 'admin');
  await server.rows(`update identity.users set type = 'customer' where id = $1`, [admin.user.id]);
  await sleep(600);
  t.strictSame((await introspect(there))?.token.role, 'customer', 'the role of now');
  await server.rows(`update identity.users set status = 'suspended' where id = $1`, [
    admin.user.id,
  ]);
  await refusedSoon(t, () => me(there, made.token), 401, 'suspended');
  await server.rows(`update identity.users set status = 'active' where id = $1`, [admin.user.id]);
  await sleep(600);
  t.equal((await me(there, made.token)).statusCode, 401, 'and it does not come back');
  const { ada, make } = await build(t);
  const { token } = await make();
  t.equal((await me(there, token)).statusCode, 200);
  await server.rows('delete from identity.users where id = $1', [ada.user.id]);
  await refusedSoon(t, () => me(there, token), 401, 'deleted');
});

test('an expired token is refused, and an ended session makes none', async (t) => {
  const { ada, make } = await build(t);
  const { id, token } = await make({ expires_in: 60 });
  t.equal((await me(server, token)).statusCode, 200);
  await server.rows(`update identity.api_tokens set expires_at = now() where id = $1`, [id]);
  await refusedSoon(t, () => me(server, token), 401, 'expired');
  t.strictSame(
    (await server.call('GET', '/api/auth/tokens', { token: ada.token })).json<{ data: Made[] }>()
      .data,
    [],
  );
  // Only the statement under the lock sees it.
  const add = server.context.auth.revocations.add;
  server.context.auth.revocations.add = () => false;
  await server.rows('update identity.sessions set revoked_at = now() where id = $1', [
    ada.session_id,
  ]);
  const late = await server.call('POST', '/api/auth/tokens', {
    token: ada.token,
    body: { name: 'x', scopes: ['profile:read'] },
  });
  server.context.auth.revocations.add = add;
  t.equal(late.statusCode, 401);
  t.equal(
    (await server.rows('select 1 from identity.api_tokens where user_id = $1', [ada.user.id]))
      .length,
    1,
  );
});

test('last use is stored with its address, without a write per request', async (t) => {
  const { ada, make } = await build(t);
  const { token } = await make();
  for (let n = 0; n < 20; n += 1) await me(server, token, { 'x-forwarded-for': `192.0.2.${n}` });
  await server.context.auth.apiTokensLastSeen.flush();
  const {
    data: [listed],
  } = (await server.call('GET', '/api/auth/tokens', { token: ada.token })).json<{ data: Made[] }>();
  t.match(listed, { last_used_ip: '192.0.2.19' });
  t.ok(Math.abs(Date.parse(listed?.last_used_at ?? '') - Date.now()) < 5_000);
  await me(server, token, { 'x-forwarded-for': '192.0.2.99' });
  await server.context.auth.apiTokensLastSeen.flush();
  t.equal(server.context.auth.apiTokensLastSeen.waiting(), 1, 'the next one waits for its minute');
});

test("administrators create, list and revoke a service account's tokens", async (t) => {
  const { events, ada, make } = await build(t);
  const admin = await makeAdmin();
  const created = await server.call('POST', '/api/users/service-accounts', {
    token: admin.token,
    body: { name: 'billing', type: 'admin' },
  });
  t.equal(created.statusCode, 201, created.body);
  const account = created.json<{ id: string }>();
  t.match((await events()).at(-1), {
    action: 'USER_CREATED',
    user_id: admin.user.id,
    resource: account.id,
    metadata: { service: true, type: 'admin' },
  });
  t.match(
    (await server.call('GET', '/api/users/service-accounts', { token: admin.token })).json(),
    { data: [{ id: account.id, name: 'billing' }] },
  );
  const made = await make(
    { scopes: ['audit:write-events', 'profile:read'], user_id: account.id },
    admin,
  );
  t.equal((await me(server, made.token)).json<{ id: string }>().id, account.id);
  t.match(
    (
      await server.call('GET', `/api/auth/tokens?user_id=${account.id}`, { token: admin.token })
    ).json(),
    { data: [{ id: made.id, user_id: account.id }] },
  );

  const refused = await server.call('POST', '/api/auth/tokens', {
    token: ada.token,
    body: { name: 'x', scopes: ['profile:read'], user_id: account.id },
  });
  const absent = await server.call('POST', '/api/auth/tokens', {
    token: ada.token,
    body: { name: 'x', scopes: ['profile:read'], user_id: randomUUID() },
  });
  t.match(refused.json(), { status: 403, code: 'permission_denied' });
  t.strictSame(
    { ...refused.json<object>(), request_id: '' },
    { ...absent.json<object>(), request_id: '' },
  );
  t.equal(
    (await server.call('GET', `/api/auth/tokens?user_id=${account.id}`, { token: ada.token }))
      .statusCode,
    403,
  );
  t.equal(
    (await server.call('DELETE', `/api/auth/tokens/${made.id}`, { token: ada.token })).statusCode,
    404,
  );
  t.match(
    (
      await server.call('POST', '/api/auth/tokens', {
        token: admin.token,
        body: { name: 'x', scopes: ['profile:read'], user_id: ada.user.id },
      })
    ).json(),
    { status: 404, code: 'service_account_not_found' },
    'nobody makes tokens for a person',
  );

  t.equal(
    (await server.call('DELETE', `/api/auth/tokens/${made.id}`, { token: admin.token })).statusCode,
    204,
  );
  t.equal((await me(server, made.token)).statusCode, 401);
});

test('nobody can log in to a service account', async (t) => {
  const { ada } = await build(t);
  const admin = await makeAdmin();
  const { id } = (
    await server.call('POST', '/api/users/service-accounts', {
      token: admin.token,
      body: { name: 'x', type: 'customer' },
    })
  ).json<{ id: string }>();
  const answer = await server.call('POST', '/api/users/login', {
    body: { email: `${id}@service.invalid`, password: PASSWORD },
  });
  const unknown = await server.call('POST', '/api/users/login', {
    body: { email: 'nobody@example.com', password: PASSWORD },
  });
  t.strictSame(
    { ...answer.json<object>(), request_id: '' },
    { ...unknown.json<object>(), request_id: '' },
  );
  await t.rejects(
    server.rows(`update identity.users set password_hash = 'x' where id = $1`, [id]),
    /users_service_has_no_password/,
  );
  t.equal(
    (
      await server.call('POST', '/api/users/service-accounts', {
        token: ada.token,
        body: { name: 'x', type: 'admin' },
      })
    ).statusCode,
    403,
  );
});
