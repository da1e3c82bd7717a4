import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import {
  AdminPasswordLength,
  clientNetwork,
  PasswordCommon,
  PasswordLength,
  PasswordMalformed,
} from '@muniment/security';
import { afterCommit, defineRoute, strictObject } from '@muniment/server';
import { dropAccess, revokeAccess } from '../sign-in/revoke-access.ts';
import type { UserContext } from '../context.ts';
import { ResetTokenInvalid } from '../errors.ts';
import { queueMail } from '../mail/queue-mail.ts';
import { setDeviceCookie } from '../sessions/session-cookies.ts';
import { createDeviceToken } from '../sign-in/device-tokens.ts';
import { restoreLoginAttempts } from '../sign-in/login-limits.ts';
import type { User } from '../tables.ts';
import { updatePassword } from '../users/user-queries.ts';
import { passwordSchema } from '../users/user-resource.ts';
import { deleteEmailChange } from '../verification/email-change-queries.ts';
import { hashLinkToken, isLinkToken } from '../verification/link-tokens.ts';
import {
  consumeResetToken,
  deleteResetTokens,
  findUserOfResetToken,
  lockRecoverableUser,
} from '../verification/recovery-queries.ts';
import { hashNewPassword } from './hash-new-password.ts';
import { passwordReset } from './password-events.ts';

const bodySchema = strictObject({
  token: Type.String({ minLength: 1, maxLength: 200 }),
  password: passwordSchema,
});

type ResetContext = Pick<
  UserContext,
  'audit' | 'auth' | 'config' | 'crypto' | 'data' | 'limits' | 'mail' | 'passwords'
>;

/** Sets a password by a mailed token, and ends all sessions and API tokens. */
export const resetPassword = defineRoute({
  method: 'POST',
  url: '/api/auth/reset-password',
  operation: 'passwords.reset_password',
  summary: 'Set a new password by the token of a mail.',
  access: 'public',
  body: bodySchema,
  response: { 204: Type.Null() },
  errors: [
    ResetTokenInvalid,
    PasswordLength,
    AdminPasswordLength,
    PasswordMalformed,
    PasswordCommon,
  ],
  handler: (context: ResetContext) => async (request, reply) => {
    const { token, password } = request.body;
    const attempt = await context.limits.consume([['reset_network', clientNetwork(request.ip)]]);
    const user = await resetByToken(context, request, { token, password }).catch(
      async (error: unknown) => {
        // Overload, an outage or a refused password does not show that the token is wrong.
        if (!(error instanceof ResetTokenInvalid)) await attempt.refund();
        throw error;
      },
    );
    await attempt.refund();
    await restoreLoginAttempts(context, user.email_key);
    // The new password ended all device tokens. Its owner's device must not be a stranger's.
    setDeviceCookie(context, reply, createDeviceToken(context, user));
    return reply.code(204).send(null);
  },
});

async function resetByToken(
  context: ResetContext,
  request: FastifyRequest,
  { token, password }: { token: string; password: string },
): Promise<User> {
  if (!isLinkToken('reset_password', token)) throw new ResetTokenInvalid();
  const tokenHash = hashLinkToken(token);
  const user = await findUserOfResetToken(context.data.db, tokenHash);
  if (!user) throw new ResetTokenInvalid();
  // A refused password leaves the token valid for another attempt.
  const newHash = await hashNewPassword(context, request, { user, password });
  return replacePassword(context, request, { userId: user.id, tokenHash, newHash });
}

async function replacePassword(
  context: ResetContext,
  request: FastifyRequest,
  { userId, tokenHash, newHash }: { userId: string; tokenHash: Buffer; newHash: string },
): Promise<User> {
  const { crypto, data, mail } = context;
  const { changed, revoked } = await data.inTransaction(request, async (trx, record) => {
    // Each transaction locks the account before its token, else two would deadlock.
    const user = await lockRecoverableUser(trx, userId);
    if (!user || !(await consumeResetToken(trx, tokenHash))) throw new ResetTokenInvalid();
    await deleteResetTokens(trx, userId);
    const password = { passwordHash: newHash, provedAddress: true };
    const changed = await updatePassword(trx, userId, password);
    // A thief may have asked for the change of address.
    await deleteEmailChange(trx, userId);
    const revoked = await revokeAccess(trx, userId, 'password_changed');
    await queueMail(trx, crypto.masterKey, {
      userId,
      template: 'password_changed',
      locale: mail.languages.choose(request.headers['accept-language']),
      to: user.email,
      values: { email: user.email },
    });
    await record(passwordReset(userId, revoked));
    return { changed, revoked };
  });
  afterCommit(request, () => dropAccess(context, revoked));
  return changed;
}
