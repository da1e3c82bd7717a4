import { Type } from 'typebox';
import { uuidv7 } from '@muniment/database';
import { createViewerToken, hashViewerToken, principalOf } from '@muniment/security';
import { tenantIdSchema } from '../app-events/app-event.ts';
import type { AuditContext } from '../context.ts';
import { findCountingTokens, insertViewerToken, type ViewerToken } from './viewer-token-queries.ts';
import { toViewerTokenResource, viewerTokenSchema } from './viewer-token-resource.ts';

const DAY_SECONDS = 24 * 60 * 60;

const bodySchema = Type.Object(
  {
    tenant_id: tenantIdSchema,
    expires_in: Type.Integer({
      minimum: 60,
      maximum: DAY_SECONDS,
      default: 15 * 60,
      description: 'Seconds.',
    }),
  },
  { additionalProperties: false },
);

/** `POST /api/audit/viewer-tokens`: a token for somebody's browser, that reads one tenant's events and nothing else. Shown this once. */
export function createViewerTokenRoute({ app, db, inTransaction }: AuditContext): void {
  app.route({
    method: 'POST',
    url: '/api/audit/viewer-tokens',
    schema: {
      body: bodySchema,
      response: { 201: Type.Object({ ...viewerTokenSchema.properties, token: Type.String() }) },
    },
    config: {
      operation: 'audit.create-viewer-token',
      access: { permission: 'audit:write-events' },
      replayWhile: async (answer) =>
        (await findCountingTokens(db, [(answer as ViewerToken).id])).size === 1,
    },
    handler: async (request, reply) => {
      const { tenant_id: tenantId, expires_in: seconds } = request.body;
      const token = createViewerToken();
      const made = await inTransaction(request, async (trx, record) => {
        const row = await insertViewerToken(trx, {
          id: uuidv7(Date.now()),
          tokenHash: hashViewerToken(token),
          tenantId,
          createdBy: principalOf(request).id,
          seconds,
        });
        await record({
          action: 'VIEWER_TOKEN_CREATED',
          tenant_id: tenantId,
          resource: row.id,
          resource_type: 'viewer_token',
          metadata: { expires_at: row.expires_at.toISOString() },
        });
        return row;
      });
      return reply.code(201).send({ ...toViewerTokenResource(made), token });
    },
  });
}
