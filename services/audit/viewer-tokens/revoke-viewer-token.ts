import { Type } from 'typebox';
import { defineRoute, idParams, requirePreconditions } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { ViewerTokenNotFound } from '../errors.ts';
import { viewerTokenRevoked } from './viewer-token-events.ts';
import { revokeValidToken } from './viewer-token-queries.ts';

/** Revokes a token. The next request with it is refused; its open streams end within a second. */
export const revokeViewerToken = defineRoute({
  method: 'DELETE',
  url: '/api/audit/viewer-tokens/:id',
  operation: 'viewer-tokens.revoke_viewer_token',
  summary: 'Revoke a viewer token.',
  access: { permission: 'audit:write-events' },
  params: idParams,
  response: { 204: Type.Null() },
  errors: [ViewerTokenNotFound],
  preconditions: 'handler',
  handler:
    ({ data }: Pick<AuditContext, 'data'>) =>
    async (request, reply) => {
      await data.inTransaction(request, async (trx, record) => {
        const token = await revokeValidToken(trx, request.params.id);
        if (!token) throw new ViewerTokenNotFound();
        requirePreconditions(request, { lastModified: token.created });
        await record(viewerTokenRevoked(token));
      });
      return reply.code(204).send(null);
    },
});
