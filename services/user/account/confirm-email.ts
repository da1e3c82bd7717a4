import { Type } from 'typebox';
import type { FastifyRequest } from 'fastify';
import { violatedUniqueConstraint } from '@muniment/database';
import type { UserContext } from '../context.ts';
import { EmailTaken, EmailTokenInvalid } from '../errors.ts';
import { hashLinkToken, isLinkToken } from '../verification/link-tokens.ts';
import { queueMail } from '../mail/queue-mail.ts';
import {
  findEmailChange,
  consumeEmailChange,
  type EmailChange,
} from '../verification/email-change-queries.ts';
import { deleteResetToken } from '../verification/recovery-queries.ts';
import { lockActiveUser, updateEmail } from '../users/user-queries.ts';

const bodySchema = Type.Object(
  { token: Type.String({ minLength: 1, maxLength: 200 }) },
  { additionalProperties: false },
);

/** `POST /api/auth/confirm-email`: completes a change of address by the token that came to the new one. 409 when somebody else has it by now. */
export function confirmEmailRoute(server: UserContext): void {
  server.app.route({
    method: 'POST',
    url: '/api/auth/confirm-email',
    schema: { body: bodySchema, response: { 204: Type.Null() } },
    config: { operation: 'user.confirm_email', access: 'public' },
    handler: async (request, reply) => {
      const { token } = request.body;
      if (!isLinkToken('change_email', token)) throw new EmailTokenInvalid();
      const tokenHash = hashLinkToken(token);
      const change = await findEmailChange(server.db, tokenHash);
      if (!change) throw new EmailTokenInvalid();
      await confirm(server, request, change, tokenHash);
      return reply.code(204).send(null);
    },
  });
}

async function confirm(
  server: UserContext,
  request: FastifyRequest,
  change: EmailChange,
  tokenHash: Buffer,
): Promise<void> {
  const { user_id: id, email, email_key: emailKey } = change;
  const about = {
    action: 'USER_UPDATED',
    user_id: id,
    subject: { userId: id },
    resource: id,
    resource_type: 'user',
  } as const;
  try {
    await server.inTransaction(request, async (trx, record) => {
      // Account first, token second: as everything that locks both.
      const user = await lockActiveUser(trx, id);
      if (!user || !(await consumeEmailChange(trx, tokenHash))) throw new EmailTokenInvalid();
      await updateEmail(trx, id, { email, email_key: emailKey });
      // A link that went to the old address must not set the password of the new one.
      await deleteResetToken(trx, id);
      if (emailKey !== user.email_key) {
        const locale = server.languages.choose(request.headers['accept-language']);
        await queueMail(trx, server.masterKey, {
          userId: id,
          template: 'email_changed',
          locale,
          to: user.email,
          values: { email: user.email, new_email: email },
        });
      }
      await record({
        ...about,
        personal: { email, previous_email: user.email },
        metadata: { fields: ['email'] },
      });
    });
  } catch (error) {
    // The unique key decides, at this moment; the token stays good, should the address become free.
    if (violatedUniqueConstraint(error) !== 'users_email_key') throw error;
    await server.recordFor(request, {
      ...about,
      outcome: 'failure',
      error: 'email_taken',
      personal: { email },
      metadata: { fields: ['email'] },
    });
    throw new EmailTaken();
  }
}
