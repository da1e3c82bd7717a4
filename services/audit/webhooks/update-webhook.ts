import { Type } from 'typebox';
import type { AuditContext } from '../context.ts';
import { WebhookNotFound } from '../errors.ts';
import { updateWebhook } from './delivery/webhook-queries.ts';
import {
  inEvent,
  paramsSchema,
  toResource,
  webhookFields,
  webhookSchema,
} from './webhook-resource.ts';

const bodySchema = Type.Partial(Type.Object({ ...webhookFields, enabled: Type.Boolean() }), {
  additionalProperties: false,
  minProperties: 1,
});

/** `PATCH /api/audit/webhooks/:id`: changes what is named. Enabled again, a webhook goes on where it was: nothing is skipped. */
export function updateWebhookRoute({ app, webhooks, inTransaction }: AuditContext): void {
  app.route({
    method: 'PATCH',
    url: '/api/audit/webhooks/:id',
    schema: { params: paramsSchema, body: bodySchema, response: { 200: webhookSchema } },
    config: { operation: 'audit.update_webhook', access: { permission: 'audit:operate' } },
    handler: async (request) => {
      const {
        body,
        params: { id },
      } = request;
      if (body.url !== undefined) await webhooks.checkUrl(body.url);
      return inTransaction(request, async (trx, record) => {
        const webhook = await updateWebhook(trx, id, body);
        if (!webhook) throw new WebhookNotFound();
        await record({
          action: 'WEBHOOK_UPDATED',
          resource: id,
          resource_type: 'webhook',
          metadata: { fields: Object.keys(body).sort(), ...inEvent(webhook) },
        });
        return toResource(webhook);
      });
    },
  });
}
