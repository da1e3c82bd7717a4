import { test } from 'tap';
import { timeBound, until, untilBlocked } from '@muniment/testing';
import { makePrivilegedUser } from '../../sign-in/make-privileged-user.ts';
import { recordStatusChanges } from '../../users/record-status-changes.ts';
import { build, PASSWORD, type TestServer } from '../build.ts';

const makeToken = async ({ call }: TestServer, token: string): Promise<string> =>
  (
    await call('POST', '/api/auth/tokens', { token, body: { name: 'x', scopes: ['profile:read'] } })
  ).json().token;
const statusOf = async ({ call }: TestServer, token: string): Promise<number> =>
  (await call('GET', '/api/users/me', { token })).statusCode;
const setStatus = ({ rows }: TestServer, status: string, id: string): Promise<unknown> =>
  rows('update identity.users set status = $1 where id = $2', [status, id]);

for (const status of ['suspended', 'inactive', 'pending']) {
  test(`nothing comes back after an account was ${status}`, async (t) => {
    const here = await build(t);
    const there = await here.replica();
    const { user, token, refresh_token } = await here.register();
    const other = await here.register('bob@example.com');
    const apiToken = await makeToken(here, token);
    const othersToken = await makeToken(here, other.token);
    for (const credential of [token, apiToken]) t.equal(await statusOf(there, credential), 200);
    await setStatus(here, status, user.id);
    await setStatus(here, 'active', user.id);
    for (const replica of [here, there])
      for (const credential of [token, apiToken])
        await until(async () => (await statusOf(replica, credential)) === 401, {
          timeoutMs: timeBound(1_000),
        });
    t.match((await here.call('POST', '/api/auth/refresh', { body: { refresh_token } })).json(), {
      code: 'refresh_token_invalid',
    });
    for (const credential of [other.token, othersToken])
      t.equal(await statusOf(here, credential), 200, 'of another account');
    const login = await here.call('POST', '/login', {
      body: { email: 'ada@example.com', password: PASSWORD },
    });
    t.equal(login.statusCode, 200, 'and its owner can sign in');
  });
}

test('the event of a suspension by SQL says how much it has ended', async (t) => {
  const server = await build(t);
  const { user, token } = await server.register();
  await server.call('POST', '/login', { body: { email: 'ada@example.com', password: PASSWORD } });
  await makeToken(server, token);
  await setStatus(server, 'suspended', user.id);
  await setStatus(server, 'suspended', user.id);
  await setStatus(server, 'active', user.id);
  await Promise.all([recordStatusChanges(server.context), recordStatusChanges(server.context)]);
  const about = {
    action: 'USER_STATUS_CHANGED',
    outcome: 'success',
    user_id: null,
    resource: user.id,
    resource_type: 'user',
    personal: { subject: user.id },
  };
  t.match(
    (await server.events()).filter(({ action }) => action === 'USER_STATUS_CHANGED'),
    [
      {
        ...about,
        metadata: {
          from: 'active',
          to: 'suspended',
          sessions_ended: 2,
          api_tokens_revoked: 1,
          by: 'sql',
        },
      },
      {
        ...about,
        metadata: { from: 'suspended', to: 'active', sessions_ended: 0, api_tokens_revoked: 0 },
      },
    ],
  );
  t.strictSame(await server.rows('select from identity.status_changes'), []);
});

test('a change whose account is deleted at once is recorded all the same', async (t) => {
  const server = await build(t);
  const { user } = await server.register();
  await setStatus(server, 'suspended', user.id);
  await server.rows('delete from identity.users');
  t.equal(await recordStatusChanges(server.context), 1);
  t.match((await server.events()).at(-1), { action: 'USER_STATUS_CHANGED', resource: user.id });
});

test('a change that the product itself records is recorded once', async (t) => {
  const server = await build(t);
  const { user } = await server.register();
  await setStatus(server, 'suspended', user.id);
  await makePrivilegedUser(server.context, { email: 'ada@example.com', type: 'admin' });
  t.equal(await recordStatusChanges(server.context), 1, 'the suspension alone');
  t.match(
    (await server.events()).map(({ action, metadata }) => [action, metadata['to']]),
    [
      ['SIGNUP_SUCCESS', undefined],
      ['CODE_SENT', undefined],
      ['USER_UPDATED', undefined],
      ['USER_STATUS_CHANGED', 'suspended'],
    ],
  );
});

test('a login that commits during the suspension is ended by it', async (t) => {
  const server = await build(t);
  const { user } = await server.register();
  await server.rows('begin');
  await setStatus(server, 'suspended', user.id);
  const login = server.call('POST', '/login', {
    body: { email: 'ada@example.com', password: PASSWORD },
  });
  await untilBlocked(server.rows, 'the login waits for the row');
  await server.rows('commit');
  t.equal((await login).json().code, 'invalid_credentials');
  t.strictSame(await server.rows('select from identity.sessions where revoked_at is null'), []);
});

test('the user service reads status changes and writes none', async (t) => {
  const server = await build(t);
  t.strictSame(
    await server.rows(
      `select has_table_privilege('user_service', 'identity.status_changes', 'insert') as insert,
         has_table_privilege('user_service', 'identity.status_changes', 'update') as update,
         has_table_privilege('file_service', 'identity.status_changes', 'select') as read`,
    ),
    [{ insert: false, update: false, read: false }],
  );
});
