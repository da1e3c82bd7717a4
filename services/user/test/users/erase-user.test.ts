import { test } from 'tap';
import { createUserErasure } from '../../users/erase-user.ts';
import { build } from '../build.ts';

test('a user from a restored backup is deleted with sessions, in one event', async (t) => {
  const { context, register, rows, events, call } = await build(t);
  const { user, token } = await register();
  const other = await register('other@example.com');
  const { erase } = createUserErasure(context.data.db, context.crypto.subjectKeys);
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

test('a user that its own request deleted causes no second event', async (t) => {
  const { context, events } = await build(t);
  await createUserErasure(context.data.db, context.crypto.subjectKeys).erase(
    '0190a1b2-c3d4-7e5f-8a9b-000000000001',
  );
  t.same(await events(), []);
});
