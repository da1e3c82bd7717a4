import { Type, type Static } from 'typebox';
import type { FastifyRequest } from 'fastify';
import { afterCommit } from '@muniment/server';
import { clientNetwork } from '@muniment/security';
import type { UserContext } from '../context.ts';
import { ResetTokenInvalid } from '../errors.ts';
import { hashNewPassword } from './hash-new-password.ts';
import { hashLinkToken, isLinkToken } from '../verification/link-tokens.ts';
import { queueMail } from '../mail/queue-mail.ts';
import { revokeApiTokensOfUser } from '../api-tokens/api-token-queries.ts';
import { deleteEmailChange } from '../verification/email-change-queries.ts';
import {
  findUserOfResetToken,
  lockRecoverableUser,
  consumeResetToken,
} from '../verification/recovery-queries.ts';
import { revokeSessionsOfUser } from '../sessions/session-queries.ts';
import { updatePasswordHash } from '../users/user-queries.ts';
import { passwordSchema } from '../users/user-resource.ts';

const bodySchema = Type.Object(
  { token: Type.String({ minLength: 1, maxLength: 200 }), password: passwordSchema },
  { additionalProperties: false },
);

/** `POST /api/auth/reset-password`: sets the password by a token that came by mail, and ends every session and API token of the account. */
export function resetPasswordRoute(server: UserContext): void {
  server.app.route({
    method: 'POST',
    url: '/api/auth/reset-password',
    schema: { body: bodySchema, response: { 204: Type.Null() } },
    config: { operation: 'user.reset_password', access: 'public' },
    handler: async (request, reply) => {
      const taken = await server.limits.consume([['reset_network', clientNetwork(request.ip)]]);
      await resetPassword(server, request, request.body).catch(async (error: unknown) => {
        // Overload, an outage or a refused password says nothing of the token.
        if (!(error instanceof ResetTokenInvalid)) await taken.refund();
        throw error;
      });
      await taken.refund();
      return reply.code(204).send(null);
    },
  });
}

async function resetPassword(
  server: UserContext,
  request: FastifyRequest,
  { token, password }: Static<typeof bodySchema>,
): Promise<void> {
  if (!isLinkToken('reset_password', token)) throw new ResetTokenInvalid();
  const tokenHash = hashLinkToken(token);
  const user = await findUserOfResetToken(server.db, tokenHash);
  if (!user) throw new ResetTokenInvalid();
  // A refused password leaves the token good: its owner tries another one.
  const passwordHash = await hashNewPassword(server, request, user, password);
  const ended = await server.inTransaction(request, async (trx, record) => {
    // Account first, token second: as everything that locks both. What has changed while the hash was computed counts.
    const locked = await lockRecoverableUser(trx, user.id);
    if (!locked || !(await consumeResetToken(trx, tokenHash))) throw new ResetTokenInvalid();
    await updatePasswordHash(trx, user.id, passwordHash);
    // Perhaps it was a thief who asked for the change of address.
    await deleteEmailChange(trx, user.id);
    const sessions = await revokeSessionsOfUser(trx, user.id, { reason: 'password_changed' });
    // Who had the password, or a session, could have made some; who forgot theirs cannot tell which.
    const apiTokens = await revokeApiTokensOfUser(trx, user.id);
    await queueMail(trx, server.masterKey, {
      userId: user.id,
      template: 'password_changed',
      locale: server.languages.choose(request.headers['accept-language']),
      to: locked.email,
      values: { email: locked.email },
    });
    await record({
      action: 'PASSWORD_CHANGED',
      user_id: user.id,
      subject: { userId: user.id },
      resource: user.id,
      resource_type: 'user',
      metadata: {
        sessions_ended: sessions.length,
        api_tokens_revoked: apiTokens.length,
        by: 'mail',
      },
    });
    return { sessions, apiTokens };
  });
  afterCommit(request, () => {
    for (const sessionId of ended.sessions) server.sessions.drop(sessionId);
    for (const { id, expires_at: expiresAt } of ended.apiTokens)
      server.apiTokens.drop(id, expiresAt);
  });
}
