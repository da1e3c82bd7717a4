import { test } from 'tap';
import { makeAdmin } from '../make-admin.ts';
import { build, PASSWORD } from './build.ts';

test('an account that exists is promoted: its own password still works and its new token is an admin\'s', async (t) => {
  const { server, register, call, events } = await build(t);
  const { user } = await register('ada@example.com');
  const made = await makeAdmin(server, 'ADA@example.com');
  t.match(made, { user_id: user.id, password: undefined });
  t.equal((await call('GET', '/api/users/me', { token: made.token })).json().type, 'admin');
  t.equal((await call('POST', '/login', { body: { email: 'ada@example.com', password: PASSWORD } })).statusCode, 200);
  t.match((await events()).map((event) => event.action), ['SIGNUP_SUCCESS', 'USER_UPDATED', 'LOGIN_SUCCESS']);
});

test('an account that does not exist is made, with a password shown once', async (t) => {
  const { server, call, events } = await build(t);
  const made = await makeAdmin(server, 'root@example.com');
  t.equal((await call('POST', '/login', { body: { email: 'root@example.com', password: made.password } })).json().user.type, 'admin');
  t.match((await events())[0], { action: 'USER_CREATED', metadata: { type: 'admin', by: 'operator' } });
});
