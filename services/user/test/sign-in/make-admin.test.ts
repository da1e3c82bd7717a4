import { test } from 'tap';
import { makeAdmin } from '../../sign-in/make-admin.ts';
import { build, PASSWORD } from '../build.ts';

test('an existing account becomes an administrator and keeps its password', async (t) => {
  const { context, register, call, events } = await build(t);
  const { user } = await register('ada@example.com');
  const made = await makeAdmin(context, 'ADA@example.com');
  t.match(made, { user_id: user.id, password: undefined });
  t.equal((await call('GET', '/api/users/me', { token: made.token })).json().type, 'admin');
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

test('a new account is created with a password that is shown once', async (t) => {
  const { context, call, events } = await build(t);
  const made = await makeAdmin(context, 'root@example.com');
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
  await makeAdmin(context, 'ada@example.com');
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
  const { token, password } = await makeAdmin(context, 'root@example.com');
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
