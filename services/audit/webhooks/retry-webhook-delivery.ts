import { Type } from 'typebox';
import { defineRoute, requirePreconditions, uuid } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { WebhookDeliveryNotFound } from '../errors.ts';
import { retryDelivery } from './delivery/delivery-queries.ts';
import { deliverySchema, toDeliveryResource } from './delivery-resource.ts';
import { webhookRetried } from './webhook-events.ts';

/** Makes a pending or dead delivery due at once, with all its attempts again. */
export const retryWebhookDelivery = defineRoute({
  method: 'POST',
  url: '/api/audit/webhooks/:id/deliveries/:delivery_id/retry',
  operation: 'webhooks.retry_webhook_delivery',
  summary: 'Retry a delivery at once.',
  access: { permission: 'audit:operate' },
  params: Type.Object({ id: uuid, delivery_id: uuid }),
  response: { 202: deliverySchema },
  errors: [WebhookDeliveryNotFound],
  preconditions: 'handler',
  handler:
    ({ data }: Pick<AuditContext, 'data'>) =>
    async (request, reply) => {
      const { id, delivery_id: eventId } = request.params;
      const delivery = await data.inTransaction(request, async (trx, record) => {
        const due = await retryDelivery(trx, id, eventId);
        if (!due) throw new WebhookDeliveryNotFound();
        requirePreconditions(request, undefined);
        await record(webhookRetried(id, eventId));
        return due;
      });
      return reply.code(202).send(toDeliveryResource(delivery));
    },
});
