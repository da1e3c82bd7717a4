import { Type } from 'typebox';
import type { AuditContext } from '../context.ts';
import { listWebhooks } from './delivery/webhook-queries.ts';
import { toResource, webhookSchema } from './webhook-resource.ts';

/** `GET /api/audit/webhooks`: all of them, oldest first; they are few. */
export function listWebhooksRoute({ app, db }: AuditContext): void {
  app.route({
    method: 'GET',
    url: '/api/audit/webhooks',
    schema: {
      querystring: Type.Object({}, { additionalProperties: false }),
      response: { 200: Type.Object({ data: Type.Array(webhookSchema), next_cursor: Type.Null() }) },
    },
    config: { operation: 'audit.list_webhooks', access: { permission: 'audit:operate' } },
    handler: async () => ({ data: (await listWebhooks(db)).map(toResource), next_cursor: null }),
  });
}
