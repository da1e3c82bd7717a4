import { Type } from 'typebox';
import { isAllowed, sessionPrincipalOf } from '@muniment/security';
import { afterCommit, defineRoute, idParams, requirePreconditions } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { ApiTokenNotFound } from '../errors.ts';
import { apiTokenRevoked } from './api-token-events.ts';
import { revokeLiveApiToken } from './api-token-queries.ts';

/** Revokes a token. All replicas refuse it within a second. */
export const revokeApiToken = defineRoute({
  method: 'DELETE',
  url: '/api/auth/tokens/:id',
  operation: 'api-tokens.revoke_api_token',
  summary: 'Revoke an API token.',
  access: { permission: 'tokens:manage' },
  params: idParams,
  response: { 204: Type.Null() },
  errors: [ApiTokenNotFound],
  preconditions: 'handler',
  handler:
    ({ data, auth }: Pick<UserContext, 'data' | 'auth'>) =>
    async (request, reply) => {
      const { id } = request.params;
      const principal = sessionPrincipalOf(request);
      const caller = {
        userId: principal.id,
        sessionId: principal.sessionId,
        managesServiceAccounts: isAllowed(principal, 'service-accounts:manage'),
      };
      const revoked = await data.inTransaction(request, async (trx, record) => {
        const token = await revokeLiveApiToken(trx, id, caller);
        if (!token) throw new ApiTokenNotFound();
        requirePreconditions(request, { lastModified: token.created });
        await record(apiTokenRevoked(id, token.user_id));
        return token;
      });
      afterCommit(request, () => auth.apiTokens.drop(id, revoked.expires_at));
      return reply.code(204).send(null);
    },
});
