import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { build, type TestServer } from '../build.ts';

/** Ages all sessions and their tokens by so many seconds. */
const pass = ({ rows }: TestServer, seconds: number): Promise<unknown> =>
  rows(
    `update identity.sessions set last_seen = last_seen - $1 * interval '1 second',
       expires_at = expires_at - $1 * interval '1 second'`,
    [seconds],
  );

/** Asks the session lookup alone: the aged token would have expired by itself. */
const status = async (server: TestServer, token: string): Promise<number> => {
  server.context.auth.sessions.dropUser(
    (await server.context.http.app.accessTokens.verify(token)).sub,
  );
  return (await server.call('GET', '/api/users/me', { token })).statusCode;
};
const refresh = ({ call }: TestServer, refresh_token: string) =>
  call('POST', '/api/auth/refresh', { body: { refresh_token } });
const SETTINGS = { SESSION_IDLE_TTL_S: '600' };

test('a session unused for its idle lifetime has ended', async (t) => {
  const server = await build(t, SETTINGS);
  const { token, refresh_token } = await server.register();
  await pass(server, 595);
  t.equal(await status(server, token), 200);
  await pass(server, 10);
  t.equal(await status(server, token), 401);
  t.equal((await refresh(server, refresh_token)).json().code, 'refresh_token_invalid');
  t.strictSame(
    await server.rows('select 1 from identity.refresh_tokens where spent_at is not null'),
    [],
    'and nothing was spent',
  );
});

test('access tokens alone prolong a session, at any replica', async (t) => {
  const here = await build(t, SETTINGS);
  const there = await here.replica();
  const { token } = await here.register();
  for (let round = 0; round < 4; round += 1) {
    await pass(here, 400);
    t.equal(
      await status(round % 2 ? here : there, token),
      200,
      `after ${(round + 1) * 400} seconds`,
    );
    await (round % 2 ? here : there).context.auth.sessionsLastSeen.flush({ all: true });
  }
  await pass(here, 601);
  t.equal(await status(here, token), 401);
});

test('refreshes alone prolong a session', async (t) => {
  const server = await build(t, SETTINGS);
  let { refresh_token } = await server.register();
  for (let round = 0; round < 3; round += 1) {
    await pass(server, 400);
    const answer = await refresh(server, refresh_token);
    t.equal(answer.statusCode, 200);
    ({ refresh_token } = answer.json());
    await server.context.auth.sessionsLastSeen.flush({ all: true });
  }
});

test('last-seen times are written by flushes, not by requests', async (t) => {
  const server = await build(t);
  const { token } = await server.register();
  const lastSeen = async () =>
    (
      await server.rows<{ at: string; writes: string }>(
        'select last_seen::text as at, xmin::text as writes from identity.sessions',
      )
    )[0];
  const before = await lastSeen();
  await sleep(30);
  for (let n = 0; n < 20; n += 1) await server.call('GET', '/api/users/me', { token });
  t.strictSame(await lastSeen(), before, 'not by a request');
  await server.context.auth.sessionsLastSeen.flush();
  const after = await lastSeen();
  t.ok((after?.at ?? '') > (before?.at ?? ''), 'by the flush');
  await server.call('GET', '/api/users/me', { token });
  await server.context.auth.sessionsLastSeen.flush();
  t.strictSame(await lastSeen(), after, 'not again within the minute');
  t.equal(server.context.auth.sessionsLastSeen.waiting(), 1);
});

test('the ordered stop writes what was seen last', async (t) => {
  const here = await build(t);
  const there = await here.replica();
  const { token } = await here.register();
  await here.rows(`update identity.sessions set last_seen = now() - interval '1 hour'`);
  await there.call('GET', '/api/users/me', { token });
  await there.context.http.app.close();
  t.strictSame(
    await here
      .rows(`select 1 from identity.sessions where last_seen > now() - interval '1 minute'`)
      .then((rows) => rows.length),
    1,
  );
});

test('a session ends with its absolute lifetime despite its use', async (t) => {
  const server = await build(t, { ...SETTINGS, SESSION_TTL_S: '1000' });
  const { token, refresh_token } = await server.register();
  await pass(server, 500);
  t.equal(await status(server, token), 200);
  await server.context.auth.sessionsLastSeen.flush({ all: true });
  await pass(server, 501);
  t.equal(await status(server, token), 401);
  t.equal((await refresh(server, refresh_token)).statusCode, 401);
});

test('an access token does not outlive its session', async (t) => {
  const server = await build(t, { ACCESS_TOKEN_TTL_S: '3600', SESSION_TTL_S: '600' });
  const { token, refresh_token } = await server.register();
  const { exp, iat } = JSON.parse(
    Buffer.from(token.split('.')[1] ?? '', 'base64url').toString(),
  ) as { exp: number; iat: number };
  t.ok(exp - iat <= 600, `${exp - iat} seconds`);
  await pass(server, 500);
  const refreshed = (await refresh(server, refresh_token)).json<{ expires_in: number }>();
  t.ok(refreshed.expires_in <= 100 && refreshed.expires_in > 80, `${refreshed.expires_in} seconds`);
});

test('the retry of a refresh in a dead session is refused and reports no theft', async (t) => {
  const server = await build(t);
  const { token, refresh_token } = await server.register();
  t.equal((await refresh(server, refresh_token)).statusCode, 200);
  await server.call('POST', '/api/auth/logout', { token });
  const before = await server.rows('select * from identity.sessions');
  t.match((await refresh(server, refresh_token)).json(), {
    status: 401,
    code: 'refresh_token_invalid',
  });
  t.strictSame(
    (await server.events()).map(({ action, outcome }) => `${action} ${outcome}`),
    [
      'SIGNUP_SUCCESS success',
      'TOKEN_REFRESHED success',
      'LOGOUT success',
      'TOKEN_REFRESHED failure',
    ],
  );
  t.strictSame(await server.rows('select * from identity.sessions'), before);
});

test('an expired refresh token is refused, and its session lives', async (t) => {
  const server = await build(t);
  const { token, refresh_token } = await server.register();
  await server.rows(`update identity.refresh_tokens set expires_at = now() - interval '1 second'`);
  t.match((await refresh(server, refresh_token)).json(), {
    status: 401,
    code: 'refresh_token_invalid',
  });
  t.equal(await status(server, token), 200);
  t.strictSame(
    await server.rows('select 1 from identity.refresh_tokens where spent_at is not null'),
    [],
  );
});

test('an access token outlives no lifetime of its session', async (t) => {
  for (const settings of [SETTINGS, { SESSION_TTL_S: '600' }]) {
    const server = await build(t, { ACCESS_TOKEN_TTL_S: '900', ...settings });
    const { refresh_token, ...opened } = await server.register();
    t.ok(
      (opened as { expires_in?: number }).expires_in === 600 ||
        (opened as { expires_in?: number }).expires_in === 599,
      'at the sign-up',
    );
    await server.rows(
      `update identity.sessions set expires_at = least(expires_at, now() + interval '100 seconds')`,
    );
    const { token, expires_in } = (await refresh(server, refresh_token)).json();
    t.ok(expires_in <= 100 && expires_in > 90, 'at the refresh');
    t.ok(
      (await server.context.http.app.accessTokens.verify(token)).exp <= Date.now() / 1_000 + 100,
    );
    const retried = (await refresh(server, refresh_token)).json();
    t.ok(retried.expires_in <= 100, 'at its retry');
  }
});

test('a touch revives no ended session and moves none back or into the future', async (t) => {
  const server = await build(t, SETTINGS);
  const dead = await server.register();
  const live = await server.register('eve@example.com');
  await server.rows(
    `update identity.sessions set last_seen = now() - interval '601 seconds' where id = $1`,
    [dead.session_id],
  );
  const touch = (id: string, secondsAgo: number) =>
    server.rows('select shared.touch_sessions(array[$1::uuid], array[$2::float8]) as touched', [
      id,
      secondsAgo,
    ]);
  t.strictSame(await touch(dead.session_id, 0), [{ touched: 0 }]);
  t.strictSame(await touch(live.session_id, 60), [{ touched: 0 }], 'not back');
  t.strictSame(await touch(live.session_id, -3_600), [{ touched: 1 }]);
  t.strictSame(
    await server.rows('select 1 from identity.sessions where last_seen > clock_timestamp()'),
    [],
    'not into the future',
  );
  t.strictSame(
    await server.rows(
      'select shared.touch_sessions(array[$1::uuid, $1], array[0::float8, 5]) as touched',
      [live.session_id],
    ),
    [{ touched: 1 }],
    'one named twice is one',
  );
});

test('a touch does not wait for a session that is being ended', async (t) => {
  const server = await build(t, SETTINGS);
  const { session_id } = await server.register();
  await server.context.data.db.transaction().execute(async (trx) => {
    await trx.updateTable('identity.sessions').set({ revoked_reason: 'test' }).execute();
    t.strictSame(
      await server.rows(
        'select shared.touch_sessions(array[$1::uuid], array[0::float8]) as touched',
        [session_id],
      ),
      [{ touched: 0 }],
    );
  });
});

test('the other services may touch sessions and not read them', async (t) => {
  const server = await build(t);
  for (const role of ['file_service', 'audit_service']) {
    const allowed = await server.rows(
      `
      select has_function_privilege($1,
         'shared.touch_sessions(uuid[], double precision[])', 'execute') as touch,
        has_table_privilege($1, 'identity.sessions', 'select, update') as read`,
      [role],
    );
    t.strictSame(allowed, [{ touch: true, read: false }], role);
  }
});

test('the refresh of a suspended user is refused and spends nothing', async (t) => {
  const server = await build(t);
  const { refresh_token } = await server.register();
  await server.rows(`update identity.users set status = 'suspended'`);
  t.equal((await refresh(server, refresh_token)).json().code, 'refresh_token_invalid');
  t.strictSame(
    await server.rows('select 1 from identity.refresh_tokens where spent_at is not null'),
    [],
  );
});
