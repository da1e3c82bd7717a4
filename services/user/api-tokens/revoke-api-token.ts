import { Type } from 'typebox';
import { isAllowed, sessionPrincipalOf } from '@muniment/security';
import { afterCommit } from '@muniment/server';
import { ApiTokenNotFound } from '../errors.ts';
import { revokeApiToken } from './api-token-queries.ts';
import type { UserContext } from '../context.ts';

/** `DELETE /api/auth/tokens/:id`: one of the caller's, or for an administrator a service account's; refused by every replica within a second. */
export function revokeApiTokenRoute({ app, inTransaction, apiTokens }: UserContext): void {
  app.route({
    method: 'DELETE',
    url: '/api/auth/tokens/:id',
    schema: {
      params: Type.Object({ id: Type.String({ format: 'uuid' }) }),
      response: { 204: Type.Null() },
    },
    config: { operation: 'token.revoke', access: { permission: 'tokens:manage' } },
    handler: async (request, reply) => {
      const { id } = request.params;
      const principal = sessionPrincipalOf(request);
      const { expires_at: expiresAt } = await inTransaction(request, async (trx, record) => {
        const revoked = await revokeApiToken(trx, id, {
          userId: principal.id,
          sessionId: principal.sessionId,
          managesServiceAccounts: isAllowed(principal, 'service-accounts:manage'),
        });
        if (!revoked) throw new ApiTokenNotFound();
        await record({
          action: 'API_TOKEN_REVOKED',
          resource: id,
          resource_type: 'api_token',
          metadata: { owner: revoked.user_id },
        });
        return revoked;
      });
      afterCommit(request, () => apiTokens.drop(id, expiresAt));
      return reply.code(204).send(null);
    },
  });
}
