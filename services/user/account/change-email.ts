import { Type } from 'typebox';
import { sessionPrincipalOf } from '@muniment/security';
import type { UserContext } from '../context.ts';
import { confirmPassword, lockConfirmedCaller } from '../passwords/confirm-password.ts';
import { parseEmail } from '../users/email-address.ts';
import { createLinkToken } from '../verification/link-tokens.ts';
import { queueMail } from '../mail/queue-mail.ts';
import { replaceEmailChange } from '../verification/email-change-queries.ts';
import { emailSchema, passwordSchema } from '../users/user-resource.ts';

const bodySchema = Type.Object(
  { email: emailSchema, password: passwordSchema },
  { additionalProperties: false },
);
const answerSchema = Type.Object({ status: Type.Literal('accepted') });

/**
 * `POST /api/users/me/email`: sends a link to the new address and tells the old one. 202 whether or not somebody has that address: this is not looked at
 * before the link comes back, so it shows to nobody but who reads that mailbox. With one's own address it is how that gets verified.
 */
export function changeEmailRoute(server: UserContext): void {
  const { app, config, inTransaction, languages, limits, masterKey, recordFor } = server;
  app.route({
    method: 'POST',
    url: '/api/users/me/email',
    schema: { body: bodySchema, response: { 202: answerSchema } },
    config: { operation: 'user.change_email', access: { permission: 'account:manage' } },
    handler: async (request, reply) => {
      const caller = sessionPrincipalOf(request);
      const { id } = caller;
      const { email, emailKey } = parseEmail(request.body.email);
      const user = await confirmPassword(
        server,
        request,
        request.body.password,
        'EMAIL_CHANGE_REQUESTED',
      );
      await limits.consume([['email_change', id]], () =>
        recordFor(request, {
          action: 'EMAIL_CHANGE_REQUESTED',
          outcome: 'failure',
          error: 'rate_limited',
          resource: id,
          resource_type: 'user',
        }),
      );
      const locale = languages.choose(request.headers['accept-language']);
      const { token, hash } = createLinkToken('change_email');
      await inTransaction(request, async (trx, record) => {
        await lockConfirmedCaller(trx, caller, user.password_hash);
        await replaceEmailChange(
          trx,
          { user_id: id, token_hash: hash, email, email_key: emailKey },
          config.EMAIL_TOKEN_TTL_S,
        );
        await queueMail(trx, masterKey, {
          userId: id,
          template: 'confirm_email',
          locale,
          to: email,
          values: { email },
          token,
          emailChange: hash,
        });
        if (emailKey !== user.email_key) {
          await queueMail(trx, masterKey, {
            userId: id,
            template: 'email_change_requested',
            locale,
            to: user.email,
            values: { email: user.email, new_email: email },
          });
        }
        await record({
          action: 'EMAIL_CHANGE_REQUESTED',
          personal: { email },
          resource: id,
          resource_type: 'user',
        });
      });
      return reply.code(202).send({ status: 'accepted' });
    },
  });
}
