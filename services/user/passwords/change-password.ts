import { Type } from 'typebox';
import { sessionPrincipalOf } from '@muniment/security';
import { afterCommit } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { confirmPassword, lockConfirmedCaller } from './confirm-password.ts';
import { AccountChanged } from '../errors.ts';
import { hashNewPassword } from './hash-new-password.ts';
import { queueMail } from '../mail/queue-mail.ts';
import { openSession } from '../sessions/open-session.ts';
import { deleteEmailChange } from '../verification/email-change-queries.ts';
import { deleteResetToken } from '../verification/recovery-queries.ts';
import { revokeSessionsOfUser } from '../sessions/session-queries.ts';
import { findUserById, updatePasswordHash } from '../users/user-queries.ts';
import { sendTokens, modeOf, whileSessionLives } from '../sessions/session-cookies.ts';
import { passwordSchema, toUserResource, signedInSchema } from '../users/user-resource.ts';

const bodySchema = Type.Object(
  { current_password: passwordSchema, new_password: passwordSchema },
  { additionalProperties: false },
);

/** `POST /api/users/me/password`: ends every session of the user, the caller's too, and answers with a new one. */
export function changePasswordRoute(server: UserContext): void {
  const { app, inTransaction, languages, masterKey, sessions } = server;
  app.route({
    method: 'POST',
    url: '/api/users/me/password',
    schema: { body: bodySchema, response: { 200: signedInSchema } },
    config: {
      operation: 'user.change_password',
      access: { permission: 'account:manage' },
      replayWhile: whileSessionLives(server),
    },
    handler: async (request, reply) => {
      const caller = sessionPrincipalOf(request);
      const { id } = caller;
      const checked = await confirmPassword(
        server,
        request,
        request.body.current_password,
        'PASSWORD_CHANGED',
      );
      const newHash = await hashNewPassword(server, request, checked, request.body.new_password);
      const { ended, user, tokens } = await inTransaction(request, async (trx, record) => {
        await lockConfirmedCaller(trx, caller, checked.password_hash);
        await updatePasswordHash(trx, id, newHash);
        // A link that waits in a mailbox would undo the change; and a thief who had the password may have asked for another address.
        await deleteResetToken(trx, id);
        await deleteEmailChange(trx, id);
        const ended = await revokeSessionsOfUser(trx, id, { reason: 'password_changed' });
        const user = await findUserById(trx, id);
        if (!user) throw new AccountChanged();
        const tokens = await openSession(server, trx, { request, user });
        await queueMail(trx, masterKey, {
          userId: id,
          template: 'password_changed',
          locale: languages.choose(request.headers['accept-language']),
          to: user.email,
          values: { email: user.email },
        });
        await record({
          action: 'PASSWORD_CHANGED',
          resource: id,
          resource_type: 'user',
          metadata: { sessions_ended: ended.length, new_session_id: tokens.session_id },
        });
        return { ended, user, tokens };
      });
      afterCommit(request, () => {
        for (const sessionId of ended) sessions.drop(sessionId);
      });
      // In the way in which the session came that it replaces.
      return {
        user: toUserResource(user),
        ...sendTokens(server, reply, { tokens, mode: modeOf(server, request) }),
      };
    },
  });
}
