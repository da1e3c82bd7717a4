import { test } from 'tap';
import { makePrivilegedUser } from '../../sign-in/make-privileged-user.ts';
import { build, PASSWORD } from '../build.ts';
import { buildWithMail, tokenIn } from '../mailbox.ts';

const PROVED = 'update identity.users set is_verified = true';
const NEW = 'a new and long password';

test('an account with a proved address becomes an administrator, password kept', async (t) => {
  const { context, register, call, events, rows } = await build(t);
  const { user, token } = await register('ada@example.com');
  await rows(PROVED);
  const made = await makePrivilegedUser(context, { email: 'ADA@example.com', type: 'admin' });
  t.match(made, { user_id: user.id, password: undefined, password_voided: false });
  t.equal((await call('GET', '/api/users/me', { token: made.token })).json().type, 'admin');
  t.equal((await call('GET', '/api/users/me', { token })).statusCode, 200);
  t.equal(
    (await call('POST', '/login', { body: { email: 'ada@example.com', password: PASSWORD } }))
      .statusCode,
    200,
  );
  t.match(
    (await events()).map((event) => event.action),
    ['SIGNUP_SUCCESS', 'USER_UPDATED', 'LOGIN_SUCCESS'],
  );
});

test('whoever registered an unproved address keeps nothing when it is promoted', async (t) => {
  const server = await buildWithMail(t, { LIMITS: 'on', LIMIT_RULES: 'login_account=2/3600' });
  const { call, context } = server;
  const squatter = await server.register('root@example.com', NEW);
  const { device_token } = squatter as unknown as { device_token: string };
  const created = await call('POST', '/api/auth/tokens', {
    token: squatter.token,
    body: { name: 'x', scopes: ['profile:read'] },
  });
  const former = await server.resetTokenOf('root@example.com');
  await call('POST', '/api/users/me/email', {
    token: squatter.token,
    body: { email: 'squatter@example.com', password: NEW },
  });
  const change = tokenIn((await server.mailsTo('squatter@example.com')).at(-1));

  const made = await makePrivilegedUser(context, { email: 'root@example.com', type: 'admin' });
  t.match(made, { user_id: squatter.user.id, password_voided: true });
  const statusOf = async (token: string) =>
    (await call('GET', '/api/users/me', { token })).statusCode;
  t.equal(await statusOf(squatter.token), 401, 'access token');
  t.equal(await statusOf(created.json().token), 401, 'API token');
  t.equal(await statusOf(made.token), 200, "the operator's session");
  const { refresh_token } = squatter;
  const code = async (url: string, body: object) => (await call('POST', url, { body })).json().code;
  t.equal(await code('/api/auth/refresh', { refresh_token }), 'refresh_token_invalid');
  t.equal(
    await code('/login', { email: 'root@example.com', password: NEW }),
    'invalid_credentials',
  );
  t.equal(
    await code('/api/auth/reset-password', { token: former, password: NEW }),
    'reset_token_invalid',
  );
  t.equal(await code('/api/auth/confirm-email', { token: change }), 'email_token_invalid');
  await code('/login', { email: 'root@example.com', password: NEW });
  t.equal(
    await code('/login', { email: 'root@example.com', password: NEW, device_token }),
    'rate_limited',
    'the device is a stranger',
  );
});

test('the mailbox of a promoted, unproved address gets a link to set a password', async (t) => {
  const { call, context, register, mailsTo, events } = await buildWithMail(t);
  const { user } = await register('root@example.com');
  await makePrivilegedUser(context, { email: 'root@example.com', type: 'admin' });
  const [mail] = await mailsTo('root@example.com');
  t.equal(mail?.subject, 'Set your password for Muniment');
  const set = await call('POST', '/api/auth/reset-password', {
    body: { token: tokenIn(mail), password: NEW },
  });
  t.equal(set.statusCode, 204, set.body);
  const login = await call('POST', '/login', {
    body: { email: 'root@example.com', password: NEW },
  });
  t.match(login.json(), { user: { id: user.id, type: 'admin', is_verified: true } });
  t.match((await events()).slice(1, 3), [
    { action: 'CODE_SENT', metadata: { purpose: 'set_password' }, personal: { subject: user.id } },
    {
      action: 'USER_UPDATED',
      resource: user.id,
      metadata: {
        fields: ['password', 'type'],
        sessions_ended: 1,
        api_tokens_revoked: 0,
        by: 'operator',
      },
    },
  ]);
});

test('a login under way does not survive the promotion', async (t) => {
  const { context, register, call, rows } = await build(t);
  await register('root@example.com');
  const { verify } = context.passwords;
  context.passwords.verify = async (...given) => {
    const verified = await verify(...given);
    await makePrivilegedUser(context, { email: 'root@example.com', type: 'admin' });
    return verified;
  };
  const login = await call('POST', '/login', {
    body: { email: 'root@example.com', password: PASSWORD },
  });
  t.equal(login.json().code, 'invalid_credentials');
  t.equal((await rows('select from identity.sessions where revoked_at is null')).length, 1);
});

test('an administrator is not voided by a second promotion', async (t) => {
  const { context, call } = await build(t);
  const { password } = await makePrivilegedUser(context, {
    email: 'root@example.com',
    type: 'admin',
  });
  t.match(await makePrivilegedUser(context, { email: 'root@example.com', type: 'admin' }), {
    password_voided: false,
  });
  t.equal(
    (await call('POST', '/login', { body: { email: 'root@example.com', password } })).statusCode,
    200,
  );
});

test('a new account is created with a password that is shown once', async (t) => {
  const { context, call, events } = await build(t);
  const made = await makePrivilegedUser(context, { email: 'root@example.com', type: 'admin' });
  t.equal(
    (
      await call('POST', '/login', { body: { email: 'root@example.com', password: made.password } })
    ).json().user.type,
    'admin',
  );
  t.match((await events())[0], {
    action: 'USER_CREATED',
    metadata: { type: 'admin', by: 'operator' },
  });
});

test('a password too short for an administrator is refused after the promotion', async (t) => {
  const { context, register, call, events, rows } = await build(t);
  await register('ada@example.com', 'ten chars!');
  await rows(PROVED);
  await makePrivilegedUser(context, { email: 'ada@example.com', type: 'admin' });
  const login = (password: string) =>
    call('POST', '/login', { body: { email: 'ada@example.com', password } });
  t.match((await login('ten chars!')).json(), { status: 403, code: 'password_change_required' });
  t.match((await login('ten chars?')).json(), { status: 401, code: 'invalid_credentials' });
  t.match((await events()).slice(-2), [
    { action: 'LOGIN_FAIL', error: 'password_change_required' },
    { action: 'LOGIN_FAIL', error: 'invalid_credentials' },
  ]);
  t.equal(
    (await rows('select 1 from identity.sessions')).length,
    2,
    "that of the registration and the command's own",
  );
});

test("an administrator's new password has fifteen characters", async (t) => {
  const { context, call, events } = await build(t);
  const { token, password } = await makePrivilegedUser(context, {
    email: 'root@example.com',
    type: 'admin',
  });
  const change = (to: string) =>
    call('POST', '/api/users/me/password', {
      token,
      body: { current_password: password, new_password: to },
    });
  t.match((await change('fourteen chars')).json(), { status: 422, code: 'password_length' });
  t.equal((await change('fifteen chars !')).statusCode, 200);
  t.match((await events()).slice(-2), [
    { action: 'PASSWORD_CHANGED', outcome: 'failure', error: 'password_length' },
    { action: 'PASSWORD_CHANGED', outcome: 'success' },
  ]);
});

test('an account becomes an auditor, who reads trail and directory and has no tokens', async (t) => {
  const { context, register, call, events, rows } = await build(t);
  const { user, token } = await register('ada@example.com', NEW);
  await rows(PROVED);
  const apiToken = (
    await call('POST', '/api/auth/tokens', { token, body: { name: 'x', scopes: ['profile:read'] } })
  ).json<{ token: string }>().token;
  const made = await makePrivilegedUser(context, { email: 'ada@example.com', type: 'auditor' });
  t.match(made, { user_id: user.id, password: undefined, password_voided: false });
  t.match((await call('GET', '/api/users/me', { token: made.token })).json(), { type: 'auditor' });
  t.equal((await call('GET', '/api/users/me', { token: apiToken })).statusCode, 401);
  t.match((await call('GET', '/api/auth/tokens', { token: made.token })).json(), {
    status: 403,
    code: 'permission_denied',
  });
  t.match((await events()).at(-1), { action: 'ACCESS_DENIED', user_id: user.id });
  t.match(
    (await events()).find(({ action }) => action === 'USER_UPDATED'),
    { metadata: { fields: ['type'], type: 'auditor', api_tokens_revoked: 1, sessions_ended: 0 } },
  );
});

test('whoever registered an unproved address keeps nothing when it becomes an auditor', async (t) => {
  const server = await buildWithMail(t);
  const { token } = await server.register('eve@example.com', NEW);
  const made = await makePrivilegedUser(server.context, {
    email: 'eve@example.com',
    type: 'auditor',
  });
  t.equal(made.password_voided, true);
  t.equal((await server.call('GET', '/api/users/me', { token })).statusCode, 401);
  const [mail] = await server.mailsTo('eve@example.com');
  t.equal(mail?.subject, 'Set your password for Muniment');
  t.match(
    await server.rows('select distinct revoked_reason as why from identity.sessions order by why'),
    [{ why: 'auditor_made' }, { why: null }],
  );
});

test('a new auditor is created with a password that is shown once', async (t) => {
  const { context, call, events } = await build(t);
  const { password } = await makePrivilegedUser(context, {
    email: 'eve@example.com',
    type: 'auditor',
  });
  const login = await call('POST', '/login', { body: { email: 'eve@example.com', password } });
  t.equal(login.json<{ user: { type: string } }>().user.type, 'auditor');
  t.match((await events())[0], {
    action: 'USER_CREATED',
    metadata: { type: 'auditor', by: 'operator' },
  });
});
