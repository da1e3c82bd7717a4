import { test } from 'tap';
import {
  deleteExpiredRefreshTokens,
  wipeSealedChildren,
} from '../sessions/refresh-token-queries.ts';
import { deleteEndedSessions } from '../sessions/session-queries.ts';
import { createLinkToken } from '../verification/link-tokens.ts';
import { deleteExpiredRecoveries, insertResetToken } from '../verification/recovery-queries.ts';
import { queueMail } from '../mail/queue-mail.ts';
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

test('a link whose mail is still to be sent stays, however long that takes', async (t) => {
  const { context, register, rows } = await build(t);
  const { user } = await register();
  const { token, hash } = createLinkToken('reset_password');
  await context.data.db.transaction().execute(async (trx) => {
    await insertResetToken(trx, user.id, { tokenHash: hash, ttlSeconds: 60 });
    await queueMail(trx, context.crypto.masterKey, {
      userId: user.id,
      template: 'reset_password',
      locale: 'en',
      to: user.email,
      values: { email: user.email },
      token,
      resetToken: hash,
    });
  });
  const isKept = async () => {
    await deleteExpiredRecoveries(context.data.db);
    return (await rows('select from identity.reset_tokens')).length === 1;
  };
  await rows(`update identity.reset_tokens set expires_at = now() - interval '2 hours'`);
  t.ok(await isKept());
  await rows('delete from identity.mail_outbox');
  t.notOk(await isKept());
});
