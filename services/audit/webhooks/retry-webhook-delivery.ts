import { Type } from 'typebox';
import type { AuditContext } from '../context.ts';
import { WebhookDeliveryNotFound } from '../errors.ts';
import { retryDelivery } from './delivery/delivery-queries.ts';
import { deliverySchema, toDelivery } from './list-webhook-deliveries.ts';

const paramsSchema = Type.Object({
  id: Type.String({ format: 'uuid' }),
  delivery_id: Type.String({ format: 'uuid' }),
});

/** `POST /api/audit/webhooks/:id/deliveries/:delivery_id/retry`: due at once, dead or not, and with all attempts before it again. */
export function retryWebhookDeliveryRoute({ app, inTransaction }: AuditContext): void {
  app.route({
    method: 'POST',
    url: '/api/audit/webhooks/:id/deliveries/:delivery_id/retry',
    schema: { params: paramsSchema, response: { 202: deliverySchema } },
    config: { operation: 'audit.retry_webhook_delivery', access: { permission: 'audit:operate' } },
    handler: async (request, reply) => {
      const { id, delivery_id: eventId } = request.params;
      const delivery = await inTransaction(request, async (trx, record) => {
        const due = await retryDelivery(trx, id, eventId);
        if (!due) throw new WebhookDeliveryNotFound();
        await record({
          action: 'WEBHOOK_RETRIED',
          resource: id,
          resource_type: 'webhook',
          metadata: { event_id: eventId },
        });
        return due;
      });
      return reply.code(202).send(toDelivery(delivery));
    },
  });
}
