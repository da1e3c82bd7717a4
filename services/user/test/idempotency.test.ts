import { randomUUID } from 'node:crypto';
import { test, type Test } from 'tap';
import { build, PASSWORD, type SignedIn, type TestServer } from './build.ts';

const REGISTER = '/api/users/register';
const keyed = (key: string, more: Record<string, string> = {}) => ({
  headers: { 'idempotency-key': key, ...more },
});
const ada = { email: 'ada@example.com', password: PASSWORD };

interface Kept {
  scope: Buffer;
  fingerprint: Buffer;
  user_id: string | null;
  sealed: Buffer;
}
const kept = ({ rows }: TestServer) => rows<Kept>('select * from identity.idempotency_keys');
const users = async ({ rows }: TestServer) =>
  (await rows<{ email: string }>('select email from identity.users order by email')).map(
    ({ email }) => email,
  );
const actions = async ({ events }: TestServer) => (await events()).map(({ action }) => action);

/** The parts of an answer that a replay must repeat. */
function sameAnswer(
  t: Test,
  one: Awaited<ReturnType<TestServer['call']>>,
  other: typeof one,
): void {
  t.equal(other.statusCode, one.statusCode, other.body);
  t.equal(other.body, one.body);
  for (const header of ['content-type', 'location', 'set-cookie', 'cache-control'])
    t.strictSame(other.headers[header], one.headers[header], header);
  t.equal(one.headers['idempotent-replayed'], undefined);
  t.equal(other.headers['idempotent-replayed'], 'true');
}

test('a repeated sign-up is one account with the same answer from any replica', async (t) => {
  const server = await build(t);
  const other = await server.replica();
  const key = randomUUID();
  const first = await server.call('POST', REGISTER, { body: ada, ...keyed(key) });
  t.equal(first.statusCode, 201, first.body);
  sameAnswer(t, first, await server.call('POST', REGISTER, { body: ada, ...keyed(key) }));
  sameAnswer(
    t,
    first,
    await other.call('POST', REGISTER, {
      body: { password: PASSWORD, email: ada.email },
      ...keyed(`"${key}"`),
    }),
  );
  t.strictSame(await users(server), [ada.email]);
  t.strictSame(await actions(server), ['SIGNUP_SUCCESS', 'ANSWER_REPLAYED', 'ANSWER_REPLAYED']);
  const { user, session_id } = first.json<SignedIn>();
  t.match((await server.events()).at(-1), {
    user_id: user.id,
    outcome: 'success',
    metadata: { operation: 'sign-in.register_user' },
  });
  t.equal(
    (await server.rows('select from identity.sessions where id = $1', [session_id])).length,
    1,
  );
});

test('the same key with another body is refused', async (t) => {
  const server = await build(t);
  await server.call('POST', REGISTER, { body: ada, ...keyed('k') });
  for (const body of [
    { ...ada, email: 'bob@example.com' },
    { ...ada, name: 'Ada' },
  ]) {
    const answer = await server.call('POST', REGISTER, { body, ...keyed('k') });
    t.match(answer.json(), { status: 422, code: 'idempotency_key_reused' });
  }
  t.equal(
    (await server.call('POST', `${REGISTER}?session=cookie`, { body: ada, ...keyed('k') }))
      .statusCode,
    422,
    'the query counts',
  );
  t.strictSame(await users(server), [ada.email]);
  t.strictSame(await actions(server), ['SIGNUP_SUCCESS']);
});

test('of twenty parallel requests under one key one acts', async (t) => {
  const server = await build(t);
  const other = await server.replica();
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      (n % 2 === 0 ? server : other).call('POST', REGISTER, { body: ada, ...keyed('twenty') }),
    ),
  );
  const good = answers.filter(({ statusCode }) => statusCode === 201);
  t.ok(good.length >= 1);
  t.equal(new Set(good.map(({ body }) => body)).size, 1, 'one answer');
  for (const busy of answers.filter(({ statusCode }) => statusCode !== 201)) {
    t.match(busy.json(), { status: 409, code: 'idempotency_in_progress' });
    t.equal(busy.headers['retry-after'], '1');
  }
  t.strictSame(
    (await actions(server)).filter((action) => action !== 'ANSWER_REPLAYED'),
    ['SIGNUP_SUCCESS'],
  );
  t.equal((await server.rows('select from identity.sessions')).length, 1);
  t.equal(
    (await server.call('POST', REGISTER, { body: ada, ...keyed('twenty') })).body,
    good[0]?.body,
    'asked again, any of them gets it',
  );
});

test('a key counts for one caller, one route and one path', async (t) => {
  const server = await build(t);
  const ada = await server.register('ada@example.com');
  const bob = await server.register('bob@example.com');
  for (const { token, user } of [ada, bob]) {
    const answer = await server.call('POST', '/api/users/me/email', {
      token,
      body: { email: user.email, password: PASSWORD },
      ...keyed('same'),
    });
    t.equal(answer.statusCode, 202, answer.body);
  }
  const login = await server.call('POST', '/api/users/login', {
    body: { email: 'ada@example.com', password: PASSWORD },
    ...keyed('same'),
  });
  t.equal(login.statusCode, 200, login.body);
  const elsewhere = await server.call('POST', '/api/users/login', {
    body: { email: 'ada@example.com', password: PASSWORD },
    ...keyed('same', { 'x-forwarded-for': '198.51.100.7' }),
  });
  t.not(
    elsewhere.json<SignedIn>().session_id,
    login.json<SignedIn>().session_id,
    'another network is another caller',
  );
  t.equal((await kept(server)).length, 4);
});

test('a refusal is repeated without a second event', async (t) => {
  const server = await build(t);
  await server.register();
  const wrong = { email: 'ada@example.com', password: 'a wrong password' };
  const first = await server.call('POST', '/api/users/login', { body: wrong, ...keyed('l') });
  t.equal(first.statusCode, 401);
  sameAnswer(
    t,
    first,
    await server.call('POST', '/api/users/login', { body: wrong, ...keyed('l') }),
  );
  t.equal((await actions(server)).filter((action) => action === 'LOGIN_FAIL').length, 1);
  const taken = await server.call('POST', REGISTER, { body: ada, ...keyed('r') });
  t.match(taken.json(), { code: 'email_taken' });
  sameAnswer(t, taken, await server.call('POST', REGISTER, { body: ada, ...keyed('r') }));
  t.equal((await actions(server)).filter((action) => action === 'SIGNUP_FAIL').length, 1);
  const before = (await kept(server)).length;
  t.equal(
    (await server.call('POST', REGISTER, { body: { email: 'nobody' }, ...keyed('v') })).statusCode,
    400,
  );
  t.equal((await kept(server)).length, before, 'what was not begun is not kept');
  t.equal(
    (
      await server.call('POST', REGISTER, {
        body: { ...ada, email: 'carl@example.com' },
        ...keyed('v'),
      })
    ).statusCode,
    201,
    'and the key is still free',
  );
});

test('stored answers hold no readable token, address, password or key', async (t) => {
  const server = await build(t);
  const key = 'order-4711-of-ada';
  const { user, token, refresh_token } = (
    await server.call('POST', REGISTER, { body: ada, ...keyed(key) })
  ).json<SignedIn>();
  const [row] = await kept(server);
  if (!row) return t.fail('nothing is kept');
  const bytes = Buffer.concat([row.scope, row.fingerprint, row.sealed]).toString('latin1');
  for (const secret of [
    token,
    refresh_token,
    refresh_token.slice(4),
    user.email,
    user.id,
    PASSWORD,
    key,
    'SIGNUP',
    'refresh',
  ])
    t.notOk(bytes.includes(secret), secret);
  t.equal(row.user_id, user.id, 'but whose it is, so that it goes with them');
});

test('tokens are replayed only while their session lives', async (t) => {
  const server = await build(t);
  const other = await server.replica();
  const first = await server.call('POST', REGISTER, { body: ada, ...keyed('s') });
  t.equal(
    (await server.call('POST', '/api/auth/logout', { token: first.json<SignedIn>().token }))
      .statusCode,
    204,
  );
  const answer = await other.call('POST', REGISTER, { body: ada, ...keyed('s') });
  t.match(answer.json(), { status: 409, code: 'idempotency_answer_gone' });
  t.notMatch(answer.body, first.json<SignedIn>().refresh_token);
  t.strictSame(await actions(server), ['SIGNUP_SUCCESS', 'LOGOUT']);
});

test('cookies are replayed as they were set, and to no other page', async (t) => {
  const server = await build(t);
  const origin = { origin: 'http://localhost:8080', 'sec-fetch-site': 'same-origin' };
  for (const url of ['/api/users/register?session=cookie', '/api/v1/auth/register'] as const) {
    const body = url.includes('v1')
      ? { email: 'v1@example.com', password: PASSWORD, firstname: 'Ada', lastname: 'Lovelace' }
      : ada;
    const first = await server.call('POST', url, { body, ...keyed('c', origin) });
    t.equal(first.statusCode, 201, first.body);
    t.ok(Array.isArray(first.headers['set-cookie']));
    sameAnswer(t, first, await server.call('POST', url, { body, ...keyed('c', origin) }));
    const foreign = await server.call('POST', url, {
      body,
      ...keyed('c', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }),
    });
    t.equal(foreign.statusCode, 422, foreign.body);
    t.equal(foreign.headers['set-cookie'], undefined);
  }
  // The cookie counts as content, so two browsers make two requests.
  const cookies = await Promise.all(
    ['bob', 'carl'].map(
      async (name) => (await server.register(`${name}@example.com`)).refresh_token,
    ),
  );
  const answers = [];
  for (const cookie of cookies)
    answers.push(
      await server.call(
        'POST',
        '/api/auth/refresh',
        keyed('1', { ...origin, cookie: `refresh_token=${cookie}` }),
      ),
    );
  t.strictSame(
    answers.map(({ statusCode }) => statusCode),
    [200, 422],
  );
});

test('a refresh under a key replays its pair long after the ten seconds', async (t) => {
  const server = await build(t);
  const { refresh_token } = await server.register();
  const first = await server.call('POST', '/api/auth/refresh', {
    body: { refresh_token },
    ...keyed('f'),
  });
  t.equal(first.statusCode, 200, first.body);
  await server.rows(
    `update identity.refresh_tokens set spent_at = spent_at - interval '1 minute'
     where spent_at is not null`,
  );
  sameAnswer(
    t,
    first,
    await server.call('POST', '/api/auth/refresh', { body: { refresh_token }, ...keyed('f') }),
  );
  t.notOk((await actions(server)).includes('TOKEN_REUSE_DETECTED'));
});

test('after a day a key is free again and its answer is deleted', async (t) => {
  const server = await build(t);
  const { token } = await server.register();
  const email = (address: string) =>
    server.call('POST', '/api/users/me/email', {
      token,
      body: { email: address, password: PASSWORD },
      ...keyed('d'),
    });
  t.equal((await email('one@example.com')).statusCode, 202);
  await server.rows(
    `update identity.idempotency_keys set created = created - interval '23 hours 59 minutes'`,
  );
  t.equal((await email('two@example.com')).statusCode, 422);
  await server.rows(`update identity.idempotency_keys set created = created - interval '1 minute'`);
  t.equal((await email('two@example.com')).statusCode, 202);
  t.equal((await kept(server)).length, 1);
  t.equal(
    (await actions(server)).filter((action) => action === 'EMAIL_CHANGE_REQUESTED').length,
    2,
  );
  await server.rows(`update identity.idempotency_keys set created = created - interval '1 day'`);
  await server.context.http.app.listen({ host: '127.0.0.1', port: 0 });
  for (let n = 0; n < 100 && (await kept(server)).length > 0; n += 1)
    await new Promise((resolve) => setTimeout(resolve, 50));
  t.strictSame(await kept(server), []);
});

test('a malformed key is refused before anything is done', async (t) => {
  const server = await build(t);
  for (const key of [
    '',
    '""',
    ' ',
    'a b',
    'ä',
    '"a b"',
    '"open',
    '"a";p=1',
    'a'.repeat(256),
    `"${'a'.repeat(256)}"`,
    'one, two',
  ]) {
    const answer = await server.call('POST', REGISTER, { body: ada, ...keyed(key) });
    t.match(
      answer.json(),
      { status: 400, code: 'idempotency_key_malformed' },
      JSON.stringify(key.slice(0, 20)),
    );
  }
  t.strictSame(await users(server), []);
  const forms = [
    ['a', '"a"'],
    ['x'.repeat(255), `"${'x'.repeat(255)}"`],
    ['q"\\', '"q\\"\\\\"'],
  ] as const;
  for (const [n, [bare, quoted]] of forms.entries()) {
    const body = { email: `u${n}@example.com`, password: PASSWORD };
    sameAnswer(
      t,
      await server.call('POST', REGISTER, { body, ...keyed(bare) }),
      await server.call('POST', REGISTER, { body, ...keyed(quoted) }),
    );
  }
});

test("a user's stored answers are deleted with the account", async (t) => {
  const server = await build(t);
  const { token } = (
    await server.call('POST', REGISTER, { body: ada, ...keyed('a') })
  ).json<SignedIn>();
  await server.call('POST', '/api/users/login', {
    body: { ...ada, password: 'a wrong password' },
    ...keyed('b'),
  });
  await server.call('POST', REGISTER, {
    body: { ...ada, email: 'bob@example.com' },
    ...keyed('c'),
  });
  t.equal((await kept(server)).length, 3);
  await server.call('DELETE', '/api/users/me', { token, body: { password: PASSWORD } });
  t.equal((await kept(server)).length, 1);
});

test("a sign-in over another user's session is stored for the new user", async (t) => {
  const server = await build(t);
  const origin = { origin: 'http://localhost:8080' };
  const bob = await server.call('POST', '/api/users/register?session=cookie', {
    body: { ...ada, email: 'bob@example.com' },
    headers: origin,
  });
  const cookie = bob.cookies
    .filter(({ name }) => name === 'login_info' || name === 'secure')
    .map(({ name, value }) => `${name}=${value}`)
    .join('; ');
  const { user } = await server.register();
  const login = () =>
    server.call('POST', '/api/users/login?session=cookie', {
      body: ada,
      headers: { ...origin, cookie, 'idempotency-key': 'l' },
    });
  const first = await login();
  t.equal(first.statusCode, 200, first.body);
  const again = await login();
  t.equal(again.headers['idempotent-replayed'], 'true');
  t.match((await server.events()).slice(-3), [
    { action: 'LOGIN_SUCCESS', user_id: user.id },
    { action: 'SESSION_REVOKED', user_id: bob.json().user.id },
    { action: 'ANSWER_REPLAYED', user_id: user.id, personal: { subject: user.id } },
  ]);
});

test('an API token is replayed under its key until it is revoked', async (t) => {
  const server = await build(t);
  const { token } = await server.register();
  const create = () =>
    server.call('POST', '/api/auth/tokens', {
      token,
      body: { name: 'ci', scopes: ['profile:read'] },
      ...keyed('t'),
    });
  const first = await create();
  t.equal(first.statusCode, 201, first.body);
  sameAnswer(t, first, await create());
  t.equal((await server.rows('select from identity.api_tokens')).length, 1);
  await server.call('DELETE', `/api/auth/tokens/${first.json<{ id: string }>().id}`, { token });
  t.match((await create()).json(), { status: 409, code: 'idempotency_answer_gone' });
});
