import { Type, type Static } from 'typebox';
import { nullable } from '@muniment/server';
import type { WebhookDelivery } from './delivery/delivery-queries.ts';

/** A pending or dead delivery as the API shows it. */
export const deliverySchema = Type.Object({
  id: Type.String({ description: 'The id of the event, and of every attempt (webhook-id).' }),
  index: Type.Integer(),
  status: Type.String(),
  attempts: Type.Integer(),
  next_attempt_at: nullable(Type.String()),
  last_attempt_at: nullable(Type.String()),
  last_status: nullable(Type.Integer()),
  last_error: nullable(Type.String()),
  created: Type.String(),
});

export function toDeliveryResource(delivery: WebhookDelivery): Static<typeof deliverySchema> {
  const { event_id, index, status, attempts, last_status, last_error } = delivery;
  return {
    id: event_id,
    index,
    status,
    attempts,
    last_status,
    last_error,
    next_attempt_at: status === 'pending' ? delivery.next_attempt_at.toISOString() : null,
    last_attempt_at: delivery.last_attempt_at?.toISOString() ?? null,
    created: delivery.created.toISOString(),
  };
}
