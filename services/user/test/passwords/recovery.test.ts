import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { until } from '@muniment/testing';
import { build, PASSWORD } from '../build.ts';
import { buildWithMail, tokenIn } from '../mailbox.ts';

const ADA = 'Ada@example.com';
const NEW = 'a better horse battery';

test('a mailed link sets a new password and ends every session', async (t) => {
  const { call, register, mailsTo, events } = await buildWithMail(t);
  const { user, token, refresh_token } = await register(ADA);
  const asked = await call('POST', '/api/auth/forgot-password', {
    body: { email: ' ada@EXAMPLE.com' },
  });
  t.equal(asked.statusCode, 202);
  t.strictSame(asked.json(), { status: 'accepted' });
  const [mail] = await mailsTo(ADA);
  t.match(mail, {
    to: [ADA],
    from: 'no-reply@muniment.example',
    subject: 'Choose a new password for Muniment',
    message_id: /^<[0-9a-f-]{36}@muniment\.example>$/,
  });
  t.match(mail?.text, /https:\/\/app\.example\/reset-password#token=mpr_[\w-]{43}\n/);

  const reset = await call('POST', '/api/auth/reset-password', {
    body: { token: tokenIn(mail), password: NEW },
  });
  t.equal(reset.statusCode, 204, reset.body);
  t.equal((await call('GET', '/api/users/me', { token })).statusCode, 401);
  t.equal((await call('POST', '/api/auth/refresh', { body: { refresh_token } })).statusCode, 401);
  t.equal(
    (await call('POST', '/login', { body: { email: ADA, password: PASSWORD } })).statusCode,
    401,
  );
  t.equal((await call('POST', '/login', { body: { email: ADA, password: NEW } })).statusCode, 200);
  t.match((await mailsTo(ADA, 2))[1], { subject: 'Your Muniment password was changed' });
  t.match((await events()).slice(1, 4), [
    {
      action: 'PASSWORD_RESET_REQUESTED',
      outcome: 'success',
      user_id: null,
      personal: { subject: /^address:/ },
    },
    {
      action: 'CODE_SENT',
      outcome: 'success',
      user_id: null,
      personal: { subject: user.id },
      metadata: { purpose: 'reset_password', channel: 'mail' },
    },
    {
      action: 'PASSWORD_CHANGED',
      outcome: 'success',
      user_id: user.id,
      personal: { subject: user.id },
      metadata: { by: 'mail', sessions_ended: 1 },
    },
  ]);
});

test('unknown, suspended and service accounts get the same answer and no mail', async (t) => {
  const { call, register, rows, catcher, events, mailsTo } = await buildWithMail(t);
  for (const name of ['known', 'suspended', 'service']) await register(`${name}@example.com`);
  await rows(`update identity.users set status = 'suspended' where email like 'suspended%'`);
  await rows(
    `update identity.users set password_hash = null, service = true where email like 'service%'`,
  );
  const answers = [];
  for (const name of ['suspended', 'service', 'nobody', 'known'])
    answers.push(
      await call('POST', '/api/auth/forgot-password', { body: { email: `${name}@example.com` } }),
    );
  t.strictSame(
    answers.map(({ statusCode, body }) => [statusCode, body]),
    Array(4).fill([202, '{"status":"accepted"}']),
  );
  await mailsTo('known@example.com');
  t.strictSame(
    catcher.mails().map(({ to }) => to[0]),
    ['known@example.com'],
  );
  t.strictSame(
    await rows('select from identity.recovery_requests'),
    [],
    'nothing is left of the requests',
  );
  t.equal((await rows('select from identity.reset_tokens')).length, 1);
  t.equal((await events()).filter(({ action }) => action === 'PASSWORD_RESET_REQUESTED').length, 4);
});

test('an account without a password gets its first one by mail', async (t) => {
  const { call, register, resetTokenOf, rows } = await buildWithMail(t);
  await register(ADA);
  await rows('update identity.users set password_hash = null');
  t.equal(
    (await call('POST', '/login', { body: { email: ADA, password: PASSWORD } })).statusCode,
    401,
  );
  t.equal(
    (
      await call('POST', '/api/auth/reset-password', {
        body: { token: await resetTokenOf(ADA), password: NEW },
      })
    ).statusCode,
    204,
  );
  t.equal((await call('POST', '/login', { body: { email: ADA, password: NEW } })).statusCode, 200);
});

test("a password set by mail ends the account's API tokens and no others", async (t) => {
  const server = await buildWithMail(t);
  const other = await server.replica();
  await other.context.http.app.listen({ host: '127.0.0.1', port: 0 });
  const [ada, bob] = [await server.register(ADA), await server.register('bob@example.com')];
  const make = async (token: string): Promise<string> =>
    (
      await server.call('POST', '/api/auth/tokens', {
        token,
        body: { name: 'x', scopes: ['profile:read'], expires_in: 86_400 },
      })
    ).json().token;
  const [first, second, bobs] = [
    await make(ada.token),
    await make(ada.token),
    await make(bob.token),
  ];
  const status = async (at: typeof other, token: string) =>
    (await at.call('GET', '/api/users/me', { token })).statusCode;
  for (const token of [first, second, bobs]) t.equal(await status(other, token), 200);
  t.equal(
    (
      await server.call('POST', '/api/auth/reset-password', {
        body: { token: await server.resetTokenOf(ADA), password: NEW },
      })
    ).statusCode,
    204,
  );
  for (const token of [first, second]) t.equal(await status(server, token), 401);
  await sleep(1_000);
  for (const token of [first, second]) t.equal(await status(other, token), 401);
  t.equal(await status(other, bobs), 200);
  t.match(
    (await server.events()).find(({ action }) => action === 'PASSWORD_CHANGED'),
    { metadata: { sessions_ended: 1, api_tokens_revoked: 2, by: 'mail' } },
  );
});

test('one of twenty parallel attempts with a token sets the password', async (t) => {
  const { call, register, resetTokenOf, events } = await buildWithMail(t);
  await register(ADA);
  const token = await resetTokenOf(ADA);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      call('POST', '/api/auth/reset-password', {
        body: { token, password: `parallel try number ${n}` },
      }),
    ),
  );
  t.equal(answers.filter(({ statusCode }) => statusCode === 204).length, 1);
  const refused = answers.filter(({ statusCode }) => statusCode !== 204);
  t.strictSame([...new Set(refused.map((answer) => answer.json().code))], ['reset_token_invalid']);
  const winner = answers.findIndex(({ statusCode }) => statusCode === 204);
  t.equal(
    (
      await call('POST', '/login', {
        body: { email: ADA, password: `parallel try number ${winner}` },
      })
    ).statusCode,
    200,
  );
  t.equal(
    (await events()).filter(
      ({ action, outcome }) => action === 'PASSWORD_CHANGED' && outcome === 'success',
    ).length,
    1,
  );
});

test('replaced, used, expired and invented tokens get one answer', async (t) => {
  const { call, register, resetTokenOf, rows } = await buildWithMail(t);
  await register(ADA);
  const older = await resetTokenOf(ADA);
  const newer = await resetTokenOf(ADA);
  const reset = (token: string) =>
    call('POST', '/api/auth/reset-password', { body: { token, password: NEW } });
  await rows(`update identity.reset_tokens set expires_at = now() - interval '1 second'`);
  const answers = [await reset(newer)];
  await rows(`update identity.reset_tokens set expires_at = now() + interval '1 minute'`);
  t.equal((await reset(newer)).statusCode, 204);
  answers.push(
    await reset(older),
    await reset(newer),
    await reset(`mpr_${'A'.repeat(43)}`),
    await reset('mpr_'),
    await reset('x'),
    await reset(`${newer}=`),
  );
  const strip = ({ statusCode, body }: { statusCode: number; body: string }) => [
    statusCode,
    body.replace(/"request_id":"\w+"/, ''),
  ];
  t.equal(answers.length, 7);
  t.equal(new Set(answers.map((answer) => JSON.stringify(strip(answer)))).size, 1);
  t.match(answers[0]?.json(), { status: 422, code: 'reset_token_invalid' });
});

test('a token of one purpose is none of another', async (t) => {
  const { call, register, resetTokenOf } = await buildWithMail(t);
  const { token: access, refresh_token } = await register(ADA);
  const token = await resetTokenOf(ADA);
  const code = async (url: string, body: object, bearer?: string) =>
    (await call('POST', url, { body, ...(bearer && { token: bearer }) })).json().code as string;
  t.equal(await code('/api/auth/refresh', { refresh_token: token }), 'refresh_token_invalid');
  t.equal(await code('/api/auth/confirm-email', { token }), 'email_token_invalid');
  t.equal(
    await code('/api/auth/confirm-email', { token: token.replace('mpr_', 'mec_') }),
    'email_token_invalid',
  );
  t.equal((await call('GET', '/api/users/me', { token })).statusCode, 401);
  for (const other of [access, refresh_token, refresh_token.replace('mrt_', 'mpr_')])
    t.match(
      await code('/api/auth/reset-password', { token: other, password: NEW }),
      /^(reset_token_invalid|validation_failed)$/,
    );
  t.equal(
    (await call('POST', '/api/auth/reset-password', { body: { token, password: NEW } })).statusCode,
    204,
    'and it is still good for its own',
  );
});

test('a password that the rules refuse does not spend the token', async (t) => {
  const { call, register, resetTokenOf, rows, events } = await buildWithMail(t);
  const { user } = await register(ADA);
  await rows(`update identity.users set type = 'admin'`);
  const token = await resetTokenOf(ADA);
  const reset = (password: string) =>
    call('POST', '/api/auth/reset-password', { body: { token, password } });
  t.equal((await reset('fourteen chars')).json().code, 'password_length');
  t.equal((await reset('MUNIMENT 1234567890')).json().code, 'password_common');
  t.equal((await reset(NEW)).statusCode, 204);
  t.match(
    (await events()).filter(({ action }) => action === 'PASSWORD_CHANGED'),
    [
      { outcome: 'failure', error: 'password_length', personal: { subject: user.id } },
      { outcome: 'failure', error: 'password_common' },
      { outcome: 'success' },
    ],
  );
});

test('a suspension or a password change voids the token', async (t) => {
  const { call, register, resetTokenOf, rows } = await buildWithMail(t);
  await register(ADA);
  const reset = async (token: string) =>
    (await call('POST', '/api/auth/reset-password', { body: { token, password: NEW } })).json()
      .code as string;
  const first = await resetTokenOf(ADA);
  await rows(`update identity.users set status = 'suspended'`);
  t.equal(await reset(first), 'reset_token_invalid');
  await rows(`update identity.users set status = 'active'`);
  const login = await call('POST', '/login', { body: { email: ADA, password: PASSWORD } });
  const changed = await call('POST', '/api/users/me/password', {
    token: login.json<{ token: string }>().token,
    body: { current_password: PASSWORD, new_password: 'changed by its owner' },
  });
  t.equal(changed.statusCode, 200, changed.body);
  t.equal(await reset(first), 'reset_token_invalid');
  t.strictSame(await rows('select from identity.reset_tokens'), []);
});

test('events, logs and foreign tables hold no token and no address', async (t) => {
  const { call, register, rows, events, resetTokenOf, catcher } = await buildWithMail(t);
  await register(ADA);
  const token = await resetTokenOf(ADA);
  // The next one waits: its mail lies in the outbox while we look.
  await catcher.stop();
  await call('POST', '/api/auth/forgot-password', { body: { email: ADA } });
  await until(
    async () => (await rows(`select from identity.mail_outbox where attempts > 0`)).length === 1,
    { what: 'the mail waits' },
  );
  const tables = await rows<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
     where schemaname in ('identity', 'shared', 'keys', 'audit', 'files')`,
  );
  let dump = '';
  for (const { name } of tables)
    if (name !== 'identity.users')
      dump += (await rows<{ row: string }>(`select r::text as row from ${name} r`))
        .map(({ row }) => row)
        .join('\n');
  t.match(dump, /reset_password/, 'the dump holds the mail');
  for (const secret of [
    token,
    token.slice(4),
    Buffer.from(token).toString('hex'),
    ADA,
    ADA.toLowerCase(),
    Buffer.from(ADA).toString('hex'),
  ])
    t.notOk(dump.toLowerCase().includes(secret.toLowerCase()), secret);
  t.notMatch(JSON.stringify(await events()), /mpr_/);
});

const device = (answer: { cookies: { name: string; value: string }[] }): string =>
  answer.cookies.find(({ name }) => name === 'device')?.value ?? '';

test('after a reset by mail its owner can log in, whatever others have failed before', async (t) => {
  const { call, register, resetTokenOf } = await buildWithMail(t, {
    LIMITS: 'on',
    LIMIT_RULES: 'login_account=2/3600,login_account_day=4/86400,login_device=2/3600',
  });
  await register(ADA);
  const login = (password: string, more: object = {}) =>
    call('POST', '/login', { body: { email: ADA, password, ...more } });
  const { device_token: thiefs } = (await login(PASSWORD)).json<{ device_token: string }>();
  const exhaust = async (more: object = {}): Promise<void> => {
    for (let index = 0; index < 4; index += 1) await login('not the password', more);
  };
  await exhaust();
  const reset = await call('POST', '/api/auth/reset-password', {
    body: { token: await resetTokenOf(ADA), password: NEW },
  });
  t.equal(reset.statusCode, 204, reset.body);
  t.equal((await login(NEW)).statusCode, 200, 'even as a stranger');
  await exhaust();
  await exhaust({ device_token: thiefs });
  t.equal((await login(NEW, { device_token: thiefs })).statusCode, 429, 'the former device');
  t.equal((await login(NEW, { device_token: device(reset) })).statusCode, 200, 'its own device');
});

test('a reset that took effect is answered, also when no attempts can be restored', async (t) => {
  const { call, register, resetTokenOf, rows } = await buildWithMail(t, { LIMITS: 'on' });
  await register(ADA);
  const token = await resetTokenOf(ADA);
  await rows('revoke execute on function shared.refund_limits from user_service, public');
  const reset = await call('POST', '/api/auth/reset-password', { body: { token, password: NEW } });
  t.equal(reset.statusCode, 204, reset.body);
});

test('a password set by mail proves the address', async (t) => {
  const { call, register, resetTokenOf, rows } = await buildWithMail(t);
  await register(ADA);
  t.strictSame(await rows('select is_verified from identity.users'), [{ is_verified: false }]);
  await call('POST', '/api/auth/reset-password', {
    body: { token: await resetTokenOf(ADA), password: NEW },
  });
  t.strictSame(await rows('select is_verified from identity.users'), [{ is_verified: true }]);
});

test("a device's recovery limit is its own, and a stranger's token gives none", async (t) => {
  const { call, register } = await build(t, {
    LIMITS: 'on',
    LIMIT_RULES: 'recovery_account=1/3600,recovery_device=1/3600',
  });
  await register(ADA);
  const login = async (email: string) =>
    (await call('POST', '/login', { body: { email, password: PASSWORD } })).json().device_token;
  await register('eve@example.com');
  const [adas, eves] = [await login(ADA), await login('eve@example.com')];
  const ask = async (device_token?: string) =>
    (await call('POST', '/api/auth/forgot-password', { body: { email: ADA, device_token } }))
      .statusCode;
  t.strictSame(
    [await ask(), await ask(), await ask(eves), await ask(adas), await ask(adas)],
    [202, 429, 429, 202, 429],
  );
});

test("a stranger's request voids no link of the owner, and a used one voids all", async (t) => {
  const { call, register, resetTokenOf, rows } = await buildWithMail(t);
  await register(ADA);
  const owners = await resetTokenOf(ADA);
  const strangers = [await resetTokenOf(ADA), await resetTokenOf(ADA)];
  const reset = async (token: string, password: string) =>
    (await call('POST', '/api/auth/reset-password', { body: { token, password } })).statusCode;
  t.equal(await reset(owners, NEW), 204);
  for (const token of strangers) t.equal(await reset(token, 'of a later link'), 422);
  t.equal((await call('POST', '/login', { body: { email: ADA, password: NEW } })).statusCode, 200);
  t.strictSame(await rows('select from identity.reset_tokens'), []);
});

test('of two links used at once one sets the password', async (t) => {
  const { call, register, resetTokenOf, events } = await buildWithMail(t);
  await register(ADA);
  const tokens = [await resetTokenOf(ADA), await resetTokenOf(ADA)];
  const answers = await Promise.all(
    tokens.map((token, n) =>
      call('POST', '/api/auth/reset-password', {
        body: { token, password: `parallel try number ${n}` },
      }),
    ),
  );
  const statuses = answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b);
  t.strictSame(statuses, [204, 422]);
  t.equal((await events()).filter(({ action }) => action === 'PASSWORD_CHANGED').length, 1);
});

test('each request gets a link of its own by mail', async (t) => {
  const { call, register, mailsTo, catcher } = await buildWithMail(t);
  await register(ADA);
  const ask = () => call('POST', '/api/auth/forgot-password', { body: { email: ADA } });
  await ask();
  await ask();
  const mails = await mailsTo(ADA, 2);
  t.equal(new Set(mails.map(tokenIn)).size, 2);
  t.equal(catcher.mails().length, 2);
});
