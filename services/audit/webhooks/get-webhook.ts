import type { AuditContext } from '../context.ts';
import { WebhookNotFound } from '../errors.ts';
import { findWebhook } from './delivery/webhook-queries.ts';
import { paramsSchema, toResource, webhookSchema } from './webhook-resource.ts';

/** `GET /api/audit/webhooks/:id` */
export function getWebhookRoute({ app, db }: AuditContext): void {
  app.route({
    method: 'GET',
    url: '/api/audit/webhooks/:id',
    schema: { params: paramsSchema, response: { 200: webhookSchema } },
    config: { operation: 'audit.get_webhook', access: { permission: 'audit:operate' } },
    handler: async (request) => {
      const webhook = await findWebhook(db, request.params.id);
      if (!webhook) throw new WebhookNotFound();
      return toResource(webhook);
    },
  });
}
