import { test } from 'tap';
import {
  deleteExpiredRefreshTokens,
  RETRY_WINDOW_S,
  wipeSealedChildren,
} from '../../sessions/refresh-token-queries.ts';
import { build, PASSWORD, type SignedIn, type TestServer } from '../build.ts';

const INVALID = { status: 401, code: 'refresh_token_invalid' };

interface Refreshed {
  token: string;
  refresh_token: string;
}

/** Ages every spent token by so many seconds. */
const age = ({ rows }: TestServer, seconds: number): Promise<unknown> =>
  rows(
    `update identity.refresh_tokens set spent_at = spent_at - $1 * interval '1 second'
     where spent_at is not null`,
    [seconds],
  );
const refresh = ({ call }: TestServer, refresh_token: string, key?: string) =>
  call('POST', '/api/auth/refresh', {
    body: { refresh_token },
    ...(key !== undefined && { headers: { 'idempotency-key': key } }),
  });
const next = async (server: TestServer, refresh_token: string, key?: string): Promise<Refreshed> =>
  (await refresh(server, refresh_token, key)).json<Refreshed>();

const reuses = async ({ events }: TestServer) =>
  (await events()).filter(({ action }) => action === 'TOKEN_REUSE_DETECTED');

test('a spent token whose child was spent is a reuse, and its family ends', async (t) => {
  const server = await build(t);
  const { user, refresh_token: first, session_id } = await server.register();
  const { refresh_token: second } = await next(server, first);
  t.equal((await next(server, first)).refresh_token, second, 'its child is unspent: a retry');
  const { refresh_token: third, token } = await next(server, second);
  t.match((await refresh(server, first)).json(), INVALID);
  t.match((await refresh(server, third)).json(), INVALID, 'the newest too');
  t.equal((await server.call('GET', '/api/users/me', { token })).statusCode, 401);
  t.match(await reuses(server), [
    {
      outcome: 'failure',
      error: 'refresh_token_reused',
      user_id: null,
      session_id,
      resource: session_id,
      resource_type: 'session',
      personal: { subject: user.id },
    },
  ]);
  t.strictSame(await server.rows('select revoked_reason from identity.sessions'), [
    { revoked_reason: 'refresh_token_reused' },
  ]);
});

test('a retry of the newest spent token is still answered after earlier refreshes', async (t) => {
  const server = await build(t);
  const { refresh_token: first } = await server.register();
  const { refresh_token: second } = await next(server, first);
  const { refresh_token: third } = await next(server, second);
  t.equal((await next(server, second)).refresh_token, third);
  t.strictSame(await reuses(server), []);
});

test('a retry is answered within its window, and a reuse after it', async (t) => {
  for (const [seconds, status] of [
    [RETRY_WINDOW_S - 1, 200],
    [RETRY_WINDOW_S + 1, 401],
  ] as const) {
    const server = await build(t);
    const { refresh_token } = await server.register();
    await next(server, refresh_token);
    await age(server, seconds);
    if (status === 200) await wipeSealedChildren(server.context.data.db);
    t.equal((await refresh(server, refresh_token)).statusCode, status, `${seconds} s`);
    t.equal((await reuses(server)).length, status === 200 ? 0 : 1);
  }
});

test('no retry is answered in a session that this replica knows has ended', async (t) => {
  const server = await build(t);
  const { refresh_token, session_id } = await server.register();
  await next(server, refresh_token);
  // The process was suspended after it read the row.
  server.context.auth.sessions.drop(session_id);
  t.match((await refresh(server, refresh_token)).json(), INVALID);
  t.match((await server.events()).at(-1), {
    action: 'TOKEN_REFRESHED',
    outcome: 'failure',
    error: 'refresh_token_invalid',
    session_id,
  });
});

test('a token spent long ago is still known, so its reuse ends the session', async (t) => {
  const server = await build(t, { REFRESH_TOKEN_TTL_S: '3600' });
  const { refresh_token } = await server.register();
  const { refresh_token: child } = await next(server, refresh_token);
  await age(server, 3_500);
  await deleteExpiredRefreshTokens(server.context.data.db);
  t.match((await refresh(server, refresh_token)).json(), INVALID);
  t.match((await refresh(server, child)).json(), INVALID);
  t.match(await reuses(server), [{ outcome: 'failure', error: 'refresh_token_reused' }]);
});

test('the replica that sees a reuse refuses the session without being told', async (t) => {
  const server = await build(t);
  const { refresh_token } = await server.register();
  const { token } = await next(server, refresh_token);
  await age(server, RETRY_WINDOW_S + 1);
  // Nobody announces the end, and the set counts as complete.
  await server.rows('alter table identity.sessions disable trigger user');
  const { revocations } = server.context.auth;
  revocations.confirmComplete(revocations.now());
  t.equal((await server.call('GET', '/api/users/me', { token })).statusCode, 200);
  await refresh(server, refresh_token);
  revocations.confirmComplete(revocations.now());
  t.equal((await server.call('GET', '/api/users/me', { token })).statusCode, 401);
});

test('a child lives as long as the setting says', async (t) => {
  const server = await build(t, { REFRESH_TOKEN_TTL_S: '3600' });
  await next(server, (await server.register()).refresh_token);
  t.strictSame(
    await server.rows(
      `select round(extract(epoch from expires_at - created))::int as seconds
       from identity.refresh_tokens`,
    ),
    [{ seconds: 3_600 }, { seconds: 3_600 }],
  );
});

test('the replay of a refresh whose child was spent is a reuse too', async (t) => {
  const server = await build(t);
  const { refresh_token: first } = await server.register();
  const { refresh_token: second } = await next(server, first, 'one');
  t.equal((await next(server, first, 'one')).refresh_token, second, 'its child is unspent');
  const { refresh_token: third, token } = await next(server, second);
  t.match((await refresh(server, first, 'one')).json(), INVALID);
  t.match((await refresh(server, third)).json(), INVALID);
  t.equal((await server.call('GET', '/api/users/me', { token })).statusCode, 401);
  t.match(await reuses(server), [{ outcome: 'failure', error: 'refresh_token_reused' }]);
  t.match(
    (await refresh(server, first, 'one')).json(),
    { status: 409, code: 'idempotency_answer_gone' },
    'and it stays refused',
  );
});

test('the replay of a refresh by cookie asks for its child too', async (t) => {
  const server = await build(t);
  const registered = await server.call('POST', '/api/users/register?session=cookie', {
    body: { email: 'ada@example.com', password: PASSWORD },
  });
  const cookieOf = (answer: typeof registered): string =>
    `refresh_token=${answer.cookies.find(({ name }) => name === 'refresh_token')?.value}`;
  const send = (cookie: string, key: string) =>
    server.call('POST', '/api/auth/refresh', {
      headers: { cookie, 'sec-fetch-site': 'same-origin', 'idempotency-key': key },
    });
  const first = cookieOf(registered);
  const second = cookieOf(await send(first, 'one'));
  t.equal(cookieOf(await send(first, 'one')), second, 'its child is unspent');
  const third = cookieOf(await send(second, 'two'));
  t.match((await send(first, 'one')).json(), INVALID);
  t.match((await send(third, 'three')).json(), INVALID);
  t.equal((await reuses(server)).length, 1);
});

test('an answer that opened a session is not replayed once its token was spent', async (t) => {
  const server = await build(t);
  await server.register();
  const login = () =>
    server.call('POST', '/login', {
      body: { email: 'ada@example.com', password: PASSWORD },
      headers: { 'idempotency-key': 'login' },
    });
  const opened = (await login()).json<SignedIn>();
  t.equal((await login()).json<SignedIn>().refresh_token, opened.refresh_token);
  const { token } = await next(server, opened.refresh_token);
  t.match((await login()).json(), { status: 409, code: 'idempotency_answer_gone' });
  t.equal((await server.call('GET', '/api/users/me', { token })).statusCode, 200);
});
