import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { violatedUniqueConstraint } from '@muniment/database';
import { defineRoute, strictObject } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { EmailTaken, EmailTokenInvalid } from '../errors.ts';
import { queueMail } from '../mail/queue-mail.ts';
import { lockActiveUser, updateEmail } from '../users/user-queries.ts';
import {
  consumeEmailChange,
  findEmailChange,
  type EmailChange,
} from '../verification/email-change-queries.ts';
import { hashLinkToken, isLinkToken } from '../verification/link-tokens.ts';
import { deleteResetTokens } from '../verification/recovery-queries.ts';
import { emailChangeConflicted, emailChanged } from './account-events.ts';

type ConfirmContext = Pick<UserContext, 'audit' | 'crypto' | 'data' | 'mail'>;

/** Completes a change of address by the mailed token. */
export const confirmEmail = defineRoute({
  method: 'POST',
  url: '/api/auth/confirm-email',
  operation: 'account.confirm_email',
  summary: 'Confirm an e-mail address by the token of a mail.',
  access: 'public',
  body: strictObject({ token: Type.String({ minLength: 1, maxLength: 200 }) }),
  response: { 204: Type.Null() },
  errors: [EmailTokenInvalid, EmailTaken],
  handler: (context: ConfirmContext) => async (request, reply) => {
    const { token } = request.body;
    if (!isLinkToken('change_email', token)) throw new EmailTokenInvalid();
    const tokenHash = hashLinkToken(token);
    const change = await findEmailChange(context.data.db, tokenHash);
    if (!change) throw new EmailTokenInvalid();
    await confirmChange(context, request, { change, tokenHash });
    return reply.code(204).send(null);
  },
});

interface Confirmation {
  change: EmailChange;
  tokenHash: Buffer;
}

async function confirmChange(
  context: ConfirmContext,
  request: FastifyRequest,
  confirmation: Confirmation,
): Promise<void> {
  const { user_id: id, email } = confirmation.change;
  try {
    await applyChange(context, request, confirmation);
  } catch (error) {
    // The unique key decides. The token stays valid in case the address becomes free.
    if (violatedUniqueConstraint(error) !== 'users_email_key') throw error;
    await context.audit.record(request, emailChangeConflicted(id, email));
    throw new EmailTaken();
  }
}

async function applyChange(
  { crypto, data, mail }: ConfirmContext,
  request: FastifyRequest,
  { change, tokenHash }: Confirmation,
): Promise<void> {
  const { user_id: id, email, email_key: emailKey } = change;
  await data.inTransaction(request, async (trx, record) => {
    // Each transaction locks the account before its token, else two would deadlock.
    const user = await lockActiveUser(trx, id);
    if (!user || !(await consumeEmailChange(trx, tokenHash))) throw new EmailTokenInvalid();
    await updateEmail(trx, id, { email, email_key: emailKey });
    // A link mailed to the old address must not set the new one's password.
    await deleteResetTokens(trx, id);
    if (emailKey !== user.email_key) {
      await queueMail(trx, crypto.masterKey, {
        userId: id,
        template: 'email_changed',
        locale: mail.languages.choose(request.headers['accept-language']),
        to: user.email,
        values: { email: user.email, new_email: email },
      });
    }
    await record(emailChanged(id, { email, previousEmail: user.email }));
  });
}
