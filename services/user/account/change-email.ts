import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { sessionPrincipalOf } from '@muniment/security';
import { defineRoute, strictObject } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { AccountChanged, EmailMalformed, PasswordIncorrect } from '../errors.ts';
import { queueMail } from '../mail/queue-mail.ts';
import { confirmPassword, lockConfirmedCaller } from '../passwords/confirm-password.ts';
import type { AccountRow } from '../users/user-queries.ts';
import { parseEmail, type EmailAddress } from '../users/email-address.ts';
import { emailSchema, passwordSchema } from '../users/user-resource.ts';
import { replaceEmailChange } from '../verification/email-change-queries.ts';
import { createLinkToken } from '../verification/link-tokens.ts';
import { emailChangeRateLimited, emailChangeRequested } from './account-events.ts';

type ChangeContext = Pick<
  UserContext,
  'audit' | 'config' | 'crypto' | 'data' | 'findUser' | 'limits' | 'mail' | 'passwords'
>;

/** Mails a link to the new address and a notice to the old one. */
export const changeEmail = defineRoute({
  method: 'POST',
  url: '/api/users/me/email',
  operation: 'account.change_email',
  summary: 'Ask for a link that confirms a new e-mail address, or verifies the current one.',
  access: { permission: 'account:manage' },
  body: strictObject({ email: emailSchema, password: passwordSchema }),
  response: { 202: Type.Object({ status: Type.Literal('accepted') }) },
  errors: [EmailMalformed, PasswordIncorrect, AccountChanged],
  handler: (context: ChangeContext) => async (request, reply) => {
    const { email, password } = request.body;
    const { id } = sessionPrincipalOf(request);
    const address = parseEmail(email);
    const user = await confirmPassword(context, request, {
      password,
      action: 'EMAIL_CHANGE_REQUESTED',
    });
    await context.limits.consume([['email_change', id]], () =>
      context.audit.record(request, emailChangeRateLimited(id)),
    );
    await requestChange(context, request, { user, address });
    return reply.code(202).send({ status: 'accepted' });
  },
});

async function requestChange(
  { config, crypto, data, mail }: ChangeContext,
  request: FastifyRequest,
  { user, address }: { user: AccountRow & { checkedHash: string }; address: EmailAddress },
): Promise<void> {
  const caller = sessionPrincipalOf(request);
  const { id } = caller;
  const { email, emailKey } = address;
  const locale = mail.languages.choose(request.headers['accept-language']);
  const { token, hash } = createLinkToken('change_email');
  const change = { user_id: id, token_hash: hash, email, email_key: emailKey };
  await data.inTransaction(request, async (trx, record) => {
    await lockConfirmedCaller(trx, caller, user.checkedHash);
    await replaceEmailChange(trx, change, config.EMAIL_TOKEN_TTL_S);
    await queueMail(trx, crypto.masterKey, {
      userId: id,
      template: 'confirm_email',
      locale,
      to: email,
      values: { email },
      token,
      emailChange: hash,
    });
    if (emailKey !== user.email_key) {
      await queueMail(trx, crypto.masterKey, {
        userId: id,
        template: 'email_change_requested',
        locale,
        to: user.email,
        values: { email: user.email, new_email: email },
      });
    }
    await record(emailChangeRequested(id, email));
  });
}
