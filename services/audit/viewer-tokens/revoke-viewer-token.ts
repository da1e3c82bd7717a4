import { Type } from 'typebox';
import type { AuditContext } from '../context.ts';
import { ViewerTokenNotFound } from '../errors.ts';
import { revokeViewerToken } from './viewer-token-queries.ts';

/** `DELETE /api/audit/viewer-tokens/:id`: from the next request on it counts nowhere; its open streams end within a second. */
export function revokeViewerTokenRoute({ app, inTransaction }: AuditContext): void {
  app.route({
    method: 'DELETE',
    url: '/api/audit/viewer-tokens/:id',
    schema: {
      params: Type.Object({ id: Type.String({ format: 'uuid' }) }),
      response: { 204: Type.Null() },
    },
    config: {
      operation: 'audit.revoke-viewer-token',
      access: { permission: 'audit:write-events' },
    },
    handler: async (request, reply) => {
      await inTransaction(request, async (trx, record) => {
        const revoked = await revokeViewerToken(trx, request.params.id);
        if (!revoked) throw new ViewerTokenNotFound();
        await record({
          action: 'VIEWER_TOKEN_REVOKED',
          tenant_id: revoked.tenant_id,
          resource: revoked.id,
          resource_type: 'viewer_token',
        });
      });
      return reply.code(204).send(null);
    },
  });
}
