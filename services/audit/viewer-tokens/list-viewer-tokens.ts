import { Type } from 'typebox';
import { tenantIdSchema } from '../app-events/app-event.ts';
import type { AuditContext } from '../context.ts';
import { decodeIdCursor, encodeIdCursor } from '../trail/cursor.ts';
import { listViewerTokens } from './viewer-token-queries.ts';
import { toViewerTokenResource, viewerTokenSchema } from './viewer-token-resource.ts';

const querySchema = Type.Object(
  {
    tenant_id: Type.Optional(tenantIdSchema),
    limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
    cursor: Type.Optional(Type.String({ maxLength: 100 })),
  },
  { additionalProperties: false },
);

/** `GET /api/audit/viewer-tokens`: those that count now, newest first. */
export function listViewerTokensRoute({ app, db }: AuditContext): void {
  app.route({
    method: 'GET',
    url: '/api/audit/viewer-tokens',
    schema: {
      querystring: querySchema,
      response: {
        200: Type.Object({
          data: Type.Array(viewerTokenSchema),
          next_cursor: Type.Union([Type.String(), Type.Null()]),
        }),
      },
    },
    config: { operation: 'audit.list-viewer-tokens', access: { permission: 'audit:write-events' } },
    handler: async ({ query: { tenant_id: tenantId, limit, cursor } }) => {
      const found = await listViewerTokens(db, {
        tenantId,
        before: cursor === undefined ? undefined : decodeIdCursor(cursor),
        limit: limit + 1,
      });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        data: page.map(toViewerTokenResource),
        next_cursor: last && found.length > limit ? encodeIdCursor(last.id) : null,
      };
    },
  });
}
