import { Type } from 'typebox';
import {
  CursorInvalid,
  decodeCursor,
  defineRoute,
  pageOf,
  pageQuery,
  toPage,
} from '@muniment/server';
import { tenantIdSchema } from '../app-events/app-event.ts';
import type { AuditContext } from '../context.ts';
import { listValidTokens } from './viewer-token-queries.ts';
import { toViewerTokenResource, viewerTokenSchema } from './viewer-token-resource.ts';

/** Lists valid viewer tokens, newest first. */
export const listViewerTokens = defineRoute({
  method: 'GET',
  url: '/api/audit/viewer-tokens',
  operation: 'viewer-tokens.list_viewer_tokens',
  summary: 'List the valid viewer tokens.',
  access: { permission: 'audit:write-events' },
  query: pageQuery({ tenant_id: Type.Optional(tenantIdSchema) }),
  response: { 200: pageOf(viewerTokenSchema) },
  errors: [CursorInvalid],
  handler:
    ({ data: { db } }: Pick<AuditContext, 'data'>) =>
    async (request) => {
      const { tenant_id: tenantId, limit, cursor } = request.query;
      const before = cursor === undefined ? undefined : decodeCursor(cursor);
      const rows = await listValidTokens(db, { tenantId, before, limit: limit + 1 });
      return toPage(rows, limit, toViewerTokenResource);
    },
});
