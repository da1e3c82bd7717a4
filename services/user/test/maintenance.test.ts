import { test } from 'tap';
import {
  deleteExpiredRefreshTokens,
  wipeSealedChildren,
} from '../sessions/refresh-token-queries.ts';
import { deleteEndedSessions } from '../sessions/session-queries.ts';
import { build } from './build.ts';

test('a sealed child token is deleted once no retry may use it', async (t) => {
  const { context, call, register, rows } = await build(t);
  const { refresh_token } = await register();
  await call('POST', '/api/auth/refresh', { body: { refresh_token } });
  const sealed = () => rows('select 1 from identity.refresh_tokens where sealed_child is not null');
  await wipeSealedChildren(context.data.db);
  t.equal((await sealed()).length, 1);
  await rows(
    `update identity.refresh_tokens set spent_at = spent_at - interval '11 seconds'
     where spent_at is not null`,
  );
  await wipeSealedChildren(context.data.db);
  t.equal((await sealed()).length, 0);
});

test('ended tokens and sessions are deleted after days, live ones stay', async (t) => {
  const { context, call, register, rows } = await build(t);
  const { token } = await register('gone@example.com');
  await call('POST', '/api/auth/logout', { token });
  const kept = await register('kept@example.com');
  await deleteEndedSessions(context.data.db);
  t.equal(
    (await rows('select 1 from identity.sessions')).length,
    2,
    'a session that ended today stays',
  );
  await rows(
    `update identity.sessions set revoked_at = revoked_at - interval '8 days'
     where revoked_at is not null`,
  );
  await deleteEndedSessions(context.data.db);
  t.strictSame(await rows('select id from identity.sessions'), [{ id: kept.session_id }]);

  await rows(`update identity.refresh_tokens set expires_at = now() - interval '2 days'`);
  await deleteExpiredRefreshTokens(context.data.db);
  t.strictSame(await rows('select 1 from identity.refresh_tokens'), []);
});
