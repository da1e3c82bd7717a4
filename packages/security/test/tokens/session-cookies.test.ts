import { randomUUID } from 'node:crypto';
import Fastify from 'fastify';
import { test, type Test } from 'tap';
import {
  authentication,
  createRevocations,
  createSessionCookies,
  createSessionLookup,
  joinToken,
  principalOf,
  splitToken,
} from '../../src/index.ts';
import { audience, issuer, keyPair, ringOf } from '../forgery.ts';

const OURS = 'https://app.example.com';

const build = async (t: Test, { hostPrefix = false } = {}) => {
  const pair = keyPair('key-1');
  const { keys } = ringOf([pair.row], t);
  await keys.refresh();
  const userId = randomUUID();
  const sessionId = randomUUID();
  const revocations = createRevocations();
  const sessions = createSessionLookup({
    revocations,
    query: async (ids) =>
      ids
        .filter((id) => id === sessionId)
        .map(() => ({ session_id: sessionId, user_id: userId, role: 'customer' })),
  });
  const denied: unknown[] = [];
  const app = Fastify();
  t.teardown(() => app.close());
  await app.register(authentication, {
    keys,
    sessions,
    revocations,
    issuer,
    audience,
    signing: { key: pair.signing, ttlSeconds: 900 },
    cookies: createSessionCookies({ hostPrefix, origins: [OURS, 'https://admin.example.com'] }),
    onDenied: (request, { reason }) => void denied.push({ who: request.principal?.id, reason }),
  });
  app.get('/profile', { config: { access: { permission: 'profile:read' } } }, async (request) =>
    principalOf(request),
  );
  app.post('/profile', { config: { access: { permission: 'profile:write' } } }, async (request) =>
    principalOf(request),
  );
  const { token } = app.accessTokens.issue({
    userId,
    sessionId,
    role: 'customer',
    sessionExpiresAt: new Date(Date.now() + 86_400_000),
  });
  const { loginInfo, secure } = splitToken(token);
  const get = (cookie: string, headers: Record<string, string> = {}) =>
    app.inject({ method: 'GET', url: '/profile', headers: { cookie, ...headers } });
  const post = (headers: Record<string, string>) =>
    app.inject({
      method: 'POST',
      url: '/profile',
      headers: { cookie: `login_info=${loginInfo}; secure=${secure}`, ...headers },
    });
  return { app, denied, userId, token, loginInfo, secure, get, post };
};

test('a split token joins to the same bytes', async (t) => {
  const { token, loginInfo, secure } = await build(t);
  t.equal(joinToken(loginInfo, secure), token);
  t.match(
    JSON.parse(Buffer.from(loginInfo, 'base64url').toString()),
    { kid: 'key-1', role: 'customer' },
    'and its first part is for scripts to read',
  );
});

test('both cookies in any order are a caller', async (t) => {
  const { get, loginInfo, secure, userId } = await build(t);
  for (const cookie of [
    `login_info=${loginInfo}; secure=${secure}`,
    `a=b;secure=${secure};theme=dark=1;login_info=${loginInfo}`,
    `not_login_info=x; login_info=${loginInfo}; secure=${secure}; secured=y; =z; q`,
  ]) {
    t.match((await get(cookie)).json(), { id: userId }, cookie.slice(0, 20));
  }
});

test('half a session, a forged or an over-long one is nobody', async (t) => {
  const { get, loginInfo, secure, token } = await build(t);
  const payload = JSON.parse(Buffer.from(loginInfo, 'base64url').toString()) as object;
  const encode = (value: unknown): string =>
    Buffer.from(JSON.stringify(value)).toString('base64url');
  const cases: Record<string, string> = {
    'no signature': `login_info=${loginInfo}`,
    'no payload': `secure=${secure}`,
    empty: 'login_info=; secure=',
    "an admin of one's own making": `login_info=${encode({ ...payload, role: 'admin' })}; secure=${secure}`,
    'another key': `login_info=${encode({ ...payload, kid: 'key-2' })}; secure=${secure}`,
    'a kid that is no text': `login_info=${encode({ ...payload, kid: { a: 1 } })}; secure=${secure}`,
    'no JSON': `login_info=abc; secure=${secure}`,
    'JSON that is no object': `login_info=${encode(null)}; secure=${secure}`,
    'a whole token as payload': `login_info=${token}; secure=${secure}`,
    quoted: `login_info="${loginInfo}"; secure="${secure}"`,
    swapped: `login_info=${secure}; secure=${loginInfo}`,
    'another name': `Login_Info=${loginInfo}; secure=${secure}`,
    'percent-encoded': `login_info=${loginInfo.replace('e', '%65')}; secure=${secure}`,
    'far too long': `login_info=${'A'.repeat(6_000)}; secure=${secure}`,
  };
  for (const [what, cookie] of Object.entries(cases)) {
    const answer = await get(cookie);
    t.match(
      { status: answer.statusCode, code: answer.json().code },
      { status: 401, code: 'UNAUTHENTICATED' },
      what,
    );
  }
});

test('credentials that came twice count for nothing', async (t) => {
  const { app, get, loginInfo, secure, token } = await build(t);
  const good = `login_info=${loginInfo}; secure=${secure}`;
  const cases: [string, Record<string, string>?][] = [
    [`${good}; login_info=${loginInfo}`],
    [`secure=x; ${good}`],
    [`${good}; ${good}`],
    [`${good};secure =y`],
    [good, { authorization: `Bearer ${token}` }],
    [`login_info=${loginInfo}`, { authorization: `Bearer ${token}` }],
    [good, { authorization: 'Basic eA==' }],
  ];
  for (const [cookie, headers] of cases) {
    const answer = await get(cookie, headers);
    t.match(
      { status: answer.statusCode, code: answer.json().code },
      { status: 400, code: 'CREDENTIALS_AMBIGUOUS' },
      cookie.slice(0, 30),
    );
  }
  const twoHeaders = await app.inject({
    method: 'GET',
    url: '/profile',
    headers: { cookie: [good, good] as unknown as string },
  });
  t.equal(twoHeaders.json().code, 'CREDENTIALS_AMBIGUOUS', 'in two headers');
  t.equal(
    (await get('theme=dark', { authorization: `Bearer ${token}` })).statusCode,
    200,
    'cookies of another kind disturb nobody',
  );
});

test('a change by cookies needs one of our pages', async (t) => {
  const { post, get, denied, userId, loginInfo, secure, app, token } = await build(t);
  const allowed: Record<string, string>[] = [
    { origin: OURS },
    { origin: OURS, 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'same-origin' },
    { origin: 'https://admin.example.com', 'sec-fetch-site': 'same-site' },
  ];
  for (const headers of allowed)
    t.equal((await post(headers)).statusCode, 200, JSON.stringify(headers));
  t.strictSame(denied, []);
  const refused: Record<string, string>[] = [
    {},
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: `${OURS}.evil.example` },
    { origin: 'http://app.example.com' },
    { origin: `${OURS}:8443` },
    { origin: '' },
    { origin: OURS, 'sec-fetch-site': 'cross-site' },
    { origin: OURS, 'sec-fetch-site': 'none' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'cross-site' },
    { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
    { origin: `${OURS}, https://evil.example` },
    { 'sec-fetch-site': 'same-origin, cross-site' },
    { referer: `${OURS}/` },
  ];
  for (const headers of refused) {
    const answer = await post(headers);
    t.match(
      { status: answer.statusCode, code: answer.json().code },
      { status: 403, code: 'ORIGIN_REFUSED' },
      JSON.stringify(headers),
    );
  }
  t.strictSame(
    denied,
    refused.map(() => ({ who: userId, reason: 'origin' })),
    'each is told to be recorded, with whose cookies they were',
  );
  t.equal(
    (await get(`login_info=${loginInfo}; secure=${secure}`, { origin: 'https://evil.example' }))
      .statusCode,
    200,
    "that it cannot read the answer is CORS's part",
  );
  const bearer = await app.inject({
    method: 'POST',
    url: '/profile',
    headers: { authorization: `Bearer ${token}`, origin: 'https://evil.example' },
  });
  t.equal(bearer.statusCode, 200, 'a bearer token is no ambient credential');
});

test('with the host prefix the bare names count for nothing', async (t) => {
  const { get, loginInfo, secure } = await build(t, { hostPrefix: true });
  t.equal((await get(`login_info=${loginInfo}; secure=${secure}`)).statusCode, 401);
  t.equal(
    (await get(`__Host-login_info=${loginInfo}; __Host-secure=${secure}; secure=tossed`))
      .statusCode,
    200,
  );
});
