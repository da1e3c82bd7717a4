import { Type } from 'typebox';
import type { AuditContext } from '../context.ts';
import { WebhookNotFound } from '../errors.ts';
import { deleteWebhook } from './delivery/webhook-queries.ts';
import { inEvent, paramsSchema } from './webhook-resource.ts';

/** `DELETE /api/audit/webhooks/:id`: with all that waits for it. */
export function deleteWebhookRoute({ app, inTransaction }: AuditContext): void {
  app.route({
    method: 'DELETE',
    url: '/api/audit/webhooks/:id',
    schema: { params: paramsSchema, response: { 204: Type.Null() } },
    config: { operation: 'audit.delete_webhook', access: { permission: 'audit:operate' } },
    handler: async (request, reply) => {
      await inTransaction(request, async (trx, record) => {
        const webhook = await deleteWebhook(trx, request.params.id);
        if (!webhook) throw new WebhookNotFound();
        await record({
          action: 'WEBHOOK_DELETED',
          resource: webhook.id,
          resource_type: 'webhook',
          metadata: inEvent(webhook),
        });
      });
      return reply.code(204).send(null);
    },
  });
}
