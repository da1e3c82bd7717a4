import { test } from 'tap';
import { eraseAccounts } from '../../users/erase-user.ts';
import { build } from '../build.ts';

test('an account that a restored backup brought back goes, with its sessions, and that is one event', async (t) => {
  const { server, register, rows, events, call } = await build(t);
  const { user, token } = await register();
  const other = await register('other@example.com');
  const { erase } = eraseAccounts(server.db, server.subjectKeys);
  await erase(user.id);
  await erase(user.id);
  t.same(await rows('select id from identity.users'), [{ id: other.user.id }]);
  t.same(await rows('select from identity.sessions where user_id = $1', [user.id]), []);
  t.match(
    (await events()).filter(({ action }) => action === 'USER_DELETED'),
    [{ metadata: { reason: 'erasure_replayed' }, user_id: null }],
  );
  t.equal((await events()).filter(({ action }) => action === 'USER_DELETED').length, 1);
  t.equal((await call('PATCH', '/api/users/me', { token, body: { name: 'x' } })).statusCode, 401);
});

test('an account that went with its request leaves nothing to do and no second event', async (t) => {
  const { server, events } = await build(t);
  await eraseAccounts(server.db, server.subjectKeys).erase('0190a1b2-c3d4-7e5f-8a9b-000000000001');
  t.same(await events(), []);
});
