import type { FastifyRequest } from 'fastify';
import {
  AdminPasswordLength,
  PasswordCommon,
  PasswordLength,
  PasswordMalformed,
  sessionPrincipalOf,
} from '@muniment/security';
import { afterCommit, defineRoute, strictObject, type RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { AccountChanged, PasswordIncorrect } from '../errors.ts';
import { queueMail } from '../mail/queue-mail.ts';
import { openSession } from '../sessions/open-session.ts';
import { modeOf, sendTokens, whileUnrefreshed } from '../sessions/session-cookies.ts';
import { revokeSessionsOfUser } from '../sessions/session-queries.ts';
import { createDeviceToken } from '../sign-in/device-tokens.ts';
import { updatePassword } from '../users/user-queries.ts';
import { passwordSchema, signedInSchema, toUserResource } from '../users/user-resource.ts';
import { deleteEmailChange } from '../verification/email-change-queries.ts';
import { deleteResetTokens } from '../verification/recovery-queries.ts';
import { confirmPassword, lockConfirmedCaller } from './confirm-password.ts';
import { hashNewPassword } from './hash-new-password.ts';
import { passwordChanged } from './password-events.ts';

const bodySchema = strictObject({ current_password: passwordSchema, new_password: passwordSchema });

type ChangeContext = Pick<
  UserContext,
  'audit' | 'auth' | 'config' | 'crypto' | 'data' | 'findUser' | 'limits' | 'mail' | 'passwords'
>;

/** Ends all of the user's sessions and opens a new one. */
export const changePassword = defineRoute({
  method: 'POST',
  url: '/api/users/me/password',
  operation: 'passwords.change_password',
  summary: 'Change the password, end every session and open a new one.',
  access: { permission: 'account:manage' },
  body: bodySchema,
  response: { 200: signedInSchema },
  errors: [
    PasswordIncorrect,
    PasswordLength,
    AdminPasswordLength,
    PasswordMalformed,
    PasswordCommon,
    AccountChanged,
  ],
  replayWhile: whileUnrefreshed,
  handler: (context: ChangeContext) => async (request, reply) => {
    const { current_password: current, new_password: password } = request.body;
    const user = await confirmPassword(context, request, {
      password: current,
      action: 'PASSWORD_CHANGED',
    });
    const newHash = await hashNewPassword(context, request, { user, password });
    const { changed, tokens } = await replacePassword(context, request, {
      checkedHash: user.checkedHash,
      newHash,
    });
    // The new session's tokens go the way that the old ones came.
    const sent = sendTokens(context, reply, { tokens, mode: modeOf(context, request) });
    return { user: toUserResource(changed), ...sent };
  },
});

async function replacePassword(
  context: ChangeContext,
  request: FastifyRequest & RequestContext,
  { checkedHash, newHash }: { checkedHash: string; newHash: string },
) {
  const { auth, crypto, data, mail } = context;
  const caller = sessionPrincipalOf(request);
  const { id } = caller;
  const { ended, ...replaced } = await data.inTransaction(request, async (trx, record) => {
    await lockConfirmedCaller(trx, caller, checkedHash);
    const changed = await updatePassword(trx, id, { passwordHash: newHash });
    // A mailed link would undo the change, and a thief may have asked for another address.
    await deleteResetTokens(trx, id);
    await deleteEmailChange(trx, id);
    const ended = await revokeSessionsOfUser(trx, id, { reason: 'password_changed' });
    const tokens = await openSession(context, trx, { request, user: changed });
    await queueMail(trx, crypto.masterKey, {
      userId: id,
      template: 'password_changed',
      locale: mail.languages.choose(request.headers['accept-language']),
      to: changed.email,
      values: { email: changed.email },
    });
    const newSessionId = tokens.session_id;
    await record(passwordChanged(id, { sessionsEnded: ended.length, newSessionId }));
    // Earlier device tokens ended with the password, and this device is known.
    const device_token = createDeviceToken(context, changed);
    return { ended, changed, tokens: { ...tokens, device_token } };
  });
  afterCommit(request, () => {
    for (const sessionId of ended) auth.sessions.drop(sessionId);
  });
  return replaced;
}
