import type { LightMyRequestResponse } from 'fastify';
import { test } from 'tap';
import { build } from '../build.ts';

const ORIGIN = 'http://localhost:8080';
const PERSON = {
  email: 'testemail@gmail.com',
  firstname: 'xristos',
  lastname: 'apatsidis',
  password: 'rootIsAStrongestPassword',
};
const { password, email } = PERSON;

const access = (answer: LightMyRequestResponse): string =>
  answer.cookies
    .filter(({ name }) => name === 'login_info' || name === 'secure')
    .map(({ name, value }) => `${name}=${value}`)
    .join('; ');

test("registering and logging in answer in the document's shape and set its cookies", async (t) => {
  const { call, events, rows } = await build(t);
  const registered = await call('POST', '/api/v1/auth/register', { body: PERSON });
  t.equal(registered.statusCode, 201, registered.body);
  const answer = registered.json();
  t.strictSame(Object.keys(answer), ['success', 'userData', 'sessionData', 'quote']);
  t.strictSame(answer.userData, { email, firstname: 'xristos', lastname: 'apatsidis' });
  t.strictSame(Object.keys(answer.sessionData), ['loginInfo', 'secure', 'clientId']);
  t.equal(
    `login_info=${answer.sessionData.loginInfo}; secure=${answer.sessionData.secure}`,
    access(registered),
    'the parts of the token are the cookies',
  );
  t.match(answer, { success: true, quote: /^.{8,}$/ });

  const login = await call('POST', '/api/v1/auth/login', { body: { email, password } });
  t.equal(login.statusCode, 200);
  t.strictSame(Object.keys(login.json()), ['success', 'sessionData', 'quote']);
  t.match(login.cookies, [
    { name: 'login_info' },
    { name: 'secure', httpOnly: true },
    { name: 'refresh_token', httpOnly: true },
    { name: 'device', httpOnly: true },
  ]);
  t.strictSame(await rows('select first_name, last_name, type from identity.users'), [
    { first_name: 'xristos', last_name: 'apatsidis', type: 'customer' },
  ]);
  t.strictSame(await rows('select id from identity.sessions order by id'), [
    { id: answer.sessionData.clientId },
    { id: login.json().sessionData.clientId },
  ]);
  t.strictSame(
    (await events()).map((event) => event.action),
    ['SIGNUP_SUCCESS', 'LOGIN_SUCCESS'],
  );
});

test("the document's cookies read the user and list and end sessions", async (t) => {
  const { call, events } = await build(t);
  const first = await call('POST', '/api/v1/auth/register', {
    body: PERSON,
    headers: { 'user-agent': 'insomnia/2021.4.0' },
  });
  const second = await call('POST', '/api/v1/auth/login', { body: { email, password } });
  const cookie = access(first);
  const { clientId } = second.json().sessionData;
  t.strictSame((await call('GET', '/api/v1/auth/user', { headers: { cookie } })).json(), {
    success: true,
    email,
    firstname: 'xristos',
    lastname: 'apatsidis',
  });

  const listed = (
    await call('GET', '/api/v1/auth/user/active-sessions', { headers: { cookie } })
  ).json();
  t.match(listed, {
    success: true,
    activeSessions: [
      { _id: clientId, source: 'tap' },
      {
        _id: first.json().sessionData.clientId,
        source: 'insomnia/2021.4.0',
        ip: '127.0.0.1',
        date: /^\d{4}-.*Z$/,
      },
    ],
  });
  t.strictSame(Object.keys(listed.activeSessions[0]), ['_id', 'source', 'ip', 'loginInfo', 'date']);
  const told = JSON.parse(Buffer.from(listed.activeSessions[0].loginInfo, 'base64url').toString());
  const { sub, sid, role } = JSON.parse(
    Buffer.from(second.json().sessionData.loginInfo, 'base64url').toString(),
  );
  t.match(told, { sub, sid, role, iat: Number });
  t.notOk(
    JSON.stringify(listed).includes(second.json().sessionData.secure) ||
      JSON.stringify(listed).includes(second.json().sessionData.loginInfo),
    "no part of another session's token",
  );

  const out = await call('POST', `/api/v1/auth/user/logout/${clientId}`, {
    headers: { cookie, origin: ORIGIN },
  });
  t.strictSame([out.statusCode, out.json(), out.cookies], [200, { success: true }, []]);
  t.strictSame(
    (await call('GET', '/api/v1/auth/user', { headers: { cookie: access(second) } })).json(),
    { success: false, message: 'Unauthorized' },
  );
  const own = await call(
    'POST',
    `/api/v1/auth/user/logout/${first.json().sessionData.clientId.toUpperCase()}`,
    { headers: { cookie, origin: ORIGIN } },
  );
  t.strictSame(
    [own.json(), own.cookies.map(({ name, value }) => [name, value])],
    [
      { success: true },
      [
        ['login_info', ''],
        ['secure', ''],
        ['refresh_token', ''],
      ],
    ],
  );
  t.equal((await call('GET', '/api/v1/auth/user', { headers: { cookie } })).statusCode, 401);
  t.strictSame(
    (await events()).map((event) => event.action),
    ['SIGNUP_SUCCESS', 'LOGIN_SUCCESS', 'SESSION_REVOKED', 'SESSION_REVOKED'],
  );
});

test("failures have the document's words, a 4xx and leave nothing", async (t) => {
  const { call, rows, register } = await build(t);
  const registered = await call('POST', '/api/v1/auth/register', { body: PERSON });
  const cookie = access(registered);
  const { session_id: others } = await register('eve@example.com');
  const incomplete = 'email, firstnme, lstname, password is required';
  const processing = 'Error processing the request';
  const origin =
    'The Origin header is missing or names no allowed page. ' +
    'Send the origin of PUBLIC_URL or CORS_ORIGINS, or use a bearer token.';
  const cases: [
    'GET' | 'POST',
    string,
    object | string | undefined,
    Record<string, string>,
    number,
    string,
  ][] = [
    ['POST', 'register', { ...PERSON, email: undefined }, {}, 400, incomplete],
    ['POST', 'register', { ...PERSON, firstname: '' }, {}, 400, incomplete],
    ['POST', 'register', { ...PERSON, lastname: 7 }, {}, 400, incomplete],
    ['POST', 'register', { email, password }, {}, 400, incomplete],
    ['POST', 'register', '{"email":', {}, 400, incomplete],
    ['POST', 'register', PERSON, {}, 409, 'User exist'],
    ['POST', 'register', { ...PERSON, email: 'TestEmail@GMAIL.com' }, {}, 409, 'User exist'],
    ['POST', 'register', { ...PERSON, email: 'x' }, {}, 400, incomplete],
    [
      'POST',
      'register',
      { ...PERSON, email: 'not an address' },
      {},
      422,
      'This is not an e-mail address. Check it for typing errors.',
    ],
    ['POST', 'register', '{"email":"a@b.co\\u0000"}', {}, 400, processing],
    ['POST', 'register', PERSON, { origin: 'https://evil.example' }, 403, origin],
    ['POST', 'login', { email }, {}, 400, 'email and password is required'],
    ['POST', 'login', { password }, {}, 400, 'email and password is required'],
    ['POST', 'login', '', {}, 400, 'email and password is required'],
    ['POST', 'login', { email, password: 'not the password' }, {}, 401, 'Unauthorized'],
    ['POST', 'login', { email: 'nobody@example.com', password }, {}, 401, 'Unauthorized'],
    ['GET', 'user', undefined, {}, 401, 'Unauthorized'],
    ['GET', 'user', undefined, { cookie: 'login_info=x; secure=y' }, 401, 'Unauthorized'],
    ['GET', 'user', undefined, { cookie: `${cookie}; secure=y` }, 400, processing],
    ['GET', 'user/active-sessions', undefined, {}, 401, 'Unauthorized'],
    ['POST', `user/logout/${others}`, undefined, {}, 401, 'Unauthorized'],
    ['POST', `user/logout/${others}`, undefined, { cookie, origin: ORIGIN }, 404, processing],
    [
      'POST',
      'user/logout/01890000-0000-7000-8000-000000000000',
      undefined,
      { cookie, origin: ORIGIN },
      404,
      processing,
    ],
    [
      'POST',
      'user/logout/60eb19f05e1f6c05c43f441a',
      undefined,
      { cookie, origin: ORIGIN },
      400,
      processing,
    ],
    [
      'POST',
      `user/logout/${registered.json().sessionData.clientId}`,
      undefined,
      { cookie, origin: 'https://evil.example' },
      403,
      origin,
    ],
    [
      'POST',
      `user/logout/${registered.json().sessionData.clientId}`,
      undefined,
      { cookie },
      403,
      origin,
    ],
    [
      'POST',
      'login',
      `email=${email}`,
      { 'content-type': 'text/plain' },
      415,
      'The body must be application/json. Send it with the header "Content-Type: application/json".',
    ],
  ];
  for (const [method, path, body, headers, status, message] of cases) {
    const answer = await call(method, `/api/v1/auth/${path}`, {
      ...(body !== undefined && { body }),
      headers: {
        ...(typeof body === 'string' && { 'content-type': 'application/json' }),
        ...headers,
      },
    });
    const what = `${method} ${path} ${JSON.stringify(body)}`;
    t.strictSame(
      [answer.statusCode, answer.body],
      [status, JSON.stringify({ success: false, message })],
      what,
    );
    t.match(answer.headers['content-type'], /^application\/json/, what);
    t.strictSame(answer.cookies, [], what);
  }
  t.equal((await rows('select 1 from identity.users')).length, 2);
  t.strictSame(await rows('select 1 from identity.sessions where revoked_at is not null'), []);
});

test('an internal failure discloses nothing', async (t) => {
  const { context, call } = await build(t);
  await context.data.db.destroy();
  const answer = await call('POST', '/api/v1/auth/login', { body: { email, password } });
  t.ok(answer.statusCode >= 500);
  t.strictSame(answer.json(), { success: false, message: 'Error processing the request' });
});

test('quotes are a few dozen, and not always the same', async (t) => {
  const { anyQuote } = await import('../../seed-004/quotes.ts');
  const drawn = new Set(Array.from({ length: 2_000 }, anyQuote));
  t.ok(drawn.size >= 30, `${drawn.size}`);
});
