import { setTimeout as sleep } from 'node:timers/promises';
import { createRefreshToken } from '@muniment/security';
import { test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { build, PASSWORD } from '../build.ts';

test('a logout ends its own session only', async (t) => {
  const { call, register, events } = await build(t);
  const first = await register();
  const login = await call('POST', '/api/users/login', {
    body: { email: 'ADA@example.com', password: PASSWORD },
  });
  t.equal(login.statusCode, 200);
  const second = login.json();
  t.equal((await call('GET', '/api/users/me', { token: second.token })).statusCode, 200);
  t.equal((await call('POST', '/api/auth/logout', { token: second.token })).statusCode, 204);
  const refused = await call('GET', '/api/users/me', { token: second.token });
  t.match(refused.json(), { status: 401, code: 'unauthenticated' });
  t.equal((await call('GET', '/api/users/me', { token: first.token })).statusCode, 200);
  t.equal(
    (
      await call('POST', '/api/auth/refresh', { body: { refresh_token: second.refresh_token } })
    ).json().code,
    'refresh_token_invalid',
  );
  t.equal(
    (
      await call('POST', '/api/auth/refresh', { body: { refresh_token: createRefreshToken() } })
    ).json().code,
    'refresh_token_invalid',
  );
  const recorded = await events();
  t.strictSame(
    recorded.map((event) => event.action),
    ['SIGNUP_SUCCESS', 'LOGIN_SUCCESS', 'LOGOUT', 'TOKEN_REFRESHED'],
    'a token that was never given out is a guess and no event',
  );
  t.match(recorded.at(-1), {
    outcome: 'failure',
    error: 'refresh_token_invalid',
    session_id: second.session_id,
    user_id: null,
  });
});

test('a session ended at one replica is soon refused at another, without a query', async (t) => {
  const here = await build(t);
  const there = await here.replica();
  const { token } = await here.register();
  t.equal((await there.call('GET', '/api/users/me', { token })).statusCode, 200);
  await here.call('POST', '/api/auth/logout', { token });
  const endedAt = performance.now();
  await until(
    async () => (await there.call('GET', '/api/users/me', { token })).statusCode === 401,
    { timeoutMs: timeBound(5_000) },
  );
  const tookMs = performance.now() - endedAt;
  t.ok(tookMs <= timeBound(1_000), `refused after ${tookMs.toFixed(0)} ms`);
  t.strictSame(there.context.auth.sessions.lookups().user_changed, 0);
});

test('an ended session changes nothing, even at a replica that does not know yet', async (t) => {
  const here = await build(t);
  const there = await here.replica();
  const { token, user } = await here.register();
  t.equal((await there.call('GET', '/api/users/me', { token })).statusCode, 200);
  // Nobody hears of the end, so only the change's own statement can refuse.
  await here.rows('alter table identity.sessions disable trigger user');
  await here.call('POST', '/api/auth/logout', { token });
  // The other replica counts its incomplete set as complete.
  const believe = () =>
    there.context.auth.revocations.confirmComplete(there.context.auth.revocations.now());
  believe();
  t.equal(
    (await there.call('GET', '/api/users/me', { token })).statusCode,
    200,
    'it is believed in, indeed',
  );
  const changes = [
    ['PATCH', '/api/users/me', { name: 'Eve' }],
    [
      'POST',
      '/api/users/me/password',
      { current_password: PASSWORD, new_password: 'another long one' },
    ],
    ['DELETE', '/api/users/me', { password: PASSWORD }],
    ['POST', '/api/auth/logout', undefined],
  ] as const;
  for (const [method, url, body] of changes) {
    believe();
    t.equal(
      (await there.call(method, url, { token, ...(body && { body }) })).json().code,
      'unauthenticated',
      `${method} ${url}`,
    );
  }
  t.strictSame(await here.rows('select id, name from identity.users'), [
    { id: user.id, name: null },
  ]);
  t.equal(
    (await here.call('POST', '/login', { body: { email: 'ada@example.com', password: PASSWORD } }))
      .statusCode,
    200,
    'the password is the same',
  );
  t.strictSame(
    (await here.events()).map((event) => event.action),
    ['SIGNUP_SUCCESS', 'LOGOUT', 'LOGIN_SUCCESS'],
  );
});

test('a wrong password and an unknown address get the same answer', async (t) => {
  const { call, register, events } = await build(t);
  const { user } = await register();
  const wrong = await call('POST', '/api/users/login', {
    body: { email: 'ada@example.com', password: 'not her password' },
  });
  const unknown = await call('POST', '/api/users/login', {
    body: { email: 'bob@example.com', password: 'not her password' },
  });
  t.equal(wrong.statusCode, 401);
  const { request_id: _, ...wrongProblem } = wrong.json();
  const { request_id: __, ...unknownProblem } = unknown.json();
  t.strictSame(wrongProblem, unknownProblem);
  const failures = (await events()).filter((event) => event.action === 'LOGIN_FAIL');
  t.match(failures, [
    {
      outcome: 'failure',
      error: 'invalid_credentials',
      user_id: null,
      personal: { subject: user.id },
    },
    {
      outcome: 'failure',
      error: 'invalid_credentials',
      user_id: null,
      personal: { subject: /^address:/ },
    },
  ]);
  t.notMatch(
    JSON.stringify(await events()),
    /ada@example|bob@example|password!/,
    'no address leaves the process readable',
  );
});

test('a suspended account cannot log in and gets the same answer', async (t) => {
  const { call, register, rows } = await build(t);
  const { token } = await register();
  t.equal((await call('GET', '/api/users/me', { token })).statusCode, 200);
  await rows(`update identity.users set status = 'suspended'`);
  await until(async () => (await call('GET', '/api/users/me', { token })).statusCode === 401, {
    timeoutMs: timeBound(1_000),
  });
  t.equal(
    (
      await call('POST', '/api/users/login', {
        body: { email: 'ada@example.com', password: PASSWORD },
      })
    ).json().code,
    'invalid_credentials',
  );
});

test('a password change ends every session and answers with a new one', async (t) => {
  const { call, register, events } = await build(t);
  const { token, refresh_token } = await register();
  const wrong = await call('POST', '/api/users/me/password', {
    token,
    body: { current_password: 'not her password', new_password: 'another long one' },
  });
  t.match(wrong.json(), { status: 403, code: 'password_incorrect' });
  const changed = await call('POST', '/api/users/me/password', {
    token,
    body: { current_password: PASSWORD, new_password: 'another long one' },
  });
  t.equal(changed.statusCode, 200);
  t.equal((await call('GET', '/api/users/me', { token })).statusCode, 401);
  t.equal((await call('POST', '/api/auth/refresh', { body: { refresh_token } })).statusCode, 401);
  t.equal((await call('GET', '/api/users/me', { token: changed.json().token })).statusCode, 200);
  t.equal(
    (await call('POST', '/login', { body: { email: 'ada@example.com', password: PASSWORD } }))
      .statusCode,
    401,
  );
  t.equal(
    (
      await call('POST', '/login', {
        body: { email: 'ada@example.com', password: 'another long one' },
      })
    ).statusCode,
    200,
  );
  t.match(
    (await events())
      .filter((event) => event.action === 'PASSWORD_CHANGED')
      .map((event) => event.outcome),
    ['failure', 'success'],
  );
});

test('one of two parallel password changes wins', async (t) => {
  const { call, register, events } = await build(t);
  const { token } = await register();
  const answers = await Promise.all(
    ['first new password', 'second new password'].map((new_password) =>
      call('POST', '/api/users/me/password', {
        token,
        body: { current_password: PASSWORD, new_password },
      }),
    ),
  );
  const [first, second] = answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b);
  t.equal(first, 200);
  // 403: it was let in before its session ended, and its password was checked behind the change.
  t.ok(second === 401 || second === 403, String(second));
  const changes = (await events()).filter(({ action }) => action === 'PASSWORD_CHANGED');
  t.strictSame(
    changes.map(({ outcome }) => outcome),
    second === 403 ? ['success', 'failure'] : ['success'],
  );
});

test('twenty parallel refreshes of one token give one child token', async (t) => {
  const here = await build(t);
  const there = await here.replica();
  const { refresh_token, token } = await here.register();
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      (n % 2 ? here : there).call('POST', '/api/auth/refresh', { body: { refresh_token } }),
    ),
  );
  t.ok(answers.every((answer) => answer.statusCode === 200));
  const children = new Set(answers.map((answer) => answer.json().refresh_token));
  t.equal(children.size, 1);
  const refreshed = (await here.events()).filter((event) => event.action === 'TOKEN_REFRESHED');
  t.equal(refreshed.length, 20, 'each answer has its event');
  t.equal(
    refreshed.filter((event) => event.metadata.retry !== true).length,
    1,
    'and one of them is the refresh',
  );
  t.notMatch(
    JSON.stringify(
      await here.rows(
        `select encode(token_hash, 'escape'), encode(sealed_child, 'escape')
         from identity.refresh_tokens`,
      ),
    ),
    [...children][0],
    'no token lies readable',
  );

  await here.rows(
    `update identity.refresh_tokens set spent_at = spent_at - interval '11 seconds'
     where spent_at is not null`,
  );
  t.equal((await here.call('GET', '/api/users/me', { token })).statusCode, 200);
  const reuses = await Promise.all(
    Array.from({ length: 6 }, () =>
      there.call('POST', '/api/auth/refresh', { body: { refresh_token } }),
    ),
  );
  t.ok(reuses.every((answer) => answer.statusCode === 401));
  t.equal(
    (await here.call('POST', '/api/auth/refresh', { body: { refresh_token: [...children][0] } }))
      .statusCode,
    401,
    'the family is dead',
  );
  await until(async () => (await here.call('GET', '/api/users/me', { token })).statusCode === 401, {
    timeoutMs: timeBound(1_000),
  });
  t.equal(
    (await here.events()).filter((event) => event.action === 'TOKEN_REUSE_DETECTED').length,
    1,
  );
});

test('an account deleted with its password leaves only the erasure order', async (t) => {
  const { call, register, rows, events } = await build(t);
  const { token, user } = await register();
  t.equal(
    (await call('DELETE', '/api/users/me', { token, body: { password: 'not her password' } }))
      .statusCode,
    403,
  );
  t.equal(
    (await call('DELETE', '/api/users/me', { token, body: { password: PASSWORD } })).statusCode,
    204,
  );
  t.equal((await call('GET', '/api/users/me', { token })).statusCode, 401);
  t.strictSame(
    await rows(
      `select 1 from identity.users union all select 1 from identity.sessions
       union all select 1 from identity.refresh_tokens`,
    ),
    [],
  );
  t.strictSame(
    await rows('select user_id, identity_done, files_done, audit_done from shared.erasures'),
    [{ user_id: user.id, identity_done: true, files_done: false, audit_done: false }],
  );
  t.equal(
    (await call('POST', '/login', { body: { email: 'ada@example.com', password: PASSWORD } }))
      .statusCode,
    401,
  );
  t.match((await events()).at(-2), { action: 'USER_DELETED', outcome: 'success' });
});

test("the profile's names can be changed; unknown fields are refused", async (t) => {
  const { call, register, events } = await build(t);
  const { token, user } = await register();
  t.match(
    (
      await call('PATCH', '/api/users/me', { token, body: { name: 'Ada', last_name: 'Lovelace' } })
    ).json(),
    { id: user.id, name: 'Ada', last_name: 'Lovelace' },
  );
  t.match((await call('PATCH', '/api/users/me', { token, body: { name: null } })).json(), {
    name: null,
    last_name: 'Lovelace',
  });
  t.equal(
    (await call('PATCH', '/api/users/me', { token, body: {} })).json().code,
    'validation_failed',
  );
  t.equal(
    (await call('PATCH', '/api/users/me', { token, body: { type: 'admin' } })).json().code,
    'validation_failed',
  );
  t.match(
    (await events())
      .filter((event) => event.action === 'USER_UPDATED')
      .map((event) => event.metadata),
    [{ fields: ['last_name', 'name'] }, { fields: ['name'] }],
  );
});

test('deleting an account while its client refreshes never fails for either', async (t) => {
  const { call, register, rows } = await build(t);
  for (let n = 0; n < 30; n += 1) {
    const { token, refresh_token } = await register(`ada${n}@example.com`);
    const [deleted, ...refreshes] = await Promise.all([
      call('DELETE', '/api/users/me', { token, body: { password: PASSWORD } }),
      ...Array.from({ length: 4 }, async (_, k) => {
        // The hash takes 10 ms, so the refreshes surround the deletion's transaction.
        await sleep(6 + 3 * k);
        return call('POST', '/api/auth/refresh', { body: { refresh_token } });
      }),
    ]);
    t.equal(deleted.statusCode, 204, deleted.body);
    t.ok(
      refreshes.every((answer) => answer.statusCode === 200 || answer.statusCode === 401),
      refreshes.map((answer) => answer.body).join(),
    );
  }
  t.strictSame(
    await rows('select 1 from identity.users union all select 1 from identity.refresh_tokens'),
    [],
  );
});

test('ten parallel logouts of one session are one logout', async (t) => {
  const { call, register, events } = await build(t);
  const { token } = await register();
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => call('POST', '/api/auth/logout', { token })),
  );
  t.equal(answers.filter((answer) => answer.statusCode === 204).length, 1);
  t.equal(answers.filter((answer) => answer.statusCode === 401).length, 9);
  t.equal((await events()).filter((event) => event.action === 'LOGOUT').length, 1);
});
