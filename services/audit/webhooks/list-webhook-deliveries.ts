import { Type } from 'typebox';
import type { AuditContext } from '../context.ts';
import { CursorInvalid } from '@muniment/server';
import { WebhookNotFound } from '../errors.ts';
import { listDeliveries, type WebhookDelivery } from './delivery/delivery-queries.ts';
import { findWebhook } from './delivery/webhook-queries.ts';
import { paramsSchema } from './webhook-resource.ts';

const nullable = (schema: ReturnType<typeof Type.String> | ReturnType<typeof Type.Integer>) =>
  Type.Union([schema, Type.Null()]);
const querySchema = Type.Object(
  {
    status: Type.Optional(Type.Union([Type.Literal('pending'), Type.Literal('dead')])),
    limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
    cursor: Type.Optional(Type.String({ maxLength: 20 })),
  },
  { additionalProperties: false },
);

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

export const toDelivery = ({
  event_id,
  index,
  status,
  attempts,
  next_attempt_at,
  last_attempt_at,
  last_status,
  last_error,
  created,
}: WebhookDelivery) => ({
  id: event_id,
  index,
  status,
  attempts,
  last_status,
  last_error,
  next_attempt_at: status === 'pending' ? next_attempt_at.toISOString() : null,
  last_attempt_at: last_attempt_at?.toISOString() ?? null,
  created: created.toISOString(),
});

const encode = (index: number): string => `d${index.toString(36)}`;

/** @throws cursor_invalid for what `encode` has not made */
function decode(cursor: string): number {
  const index = Number.parseInt(cursor.slice(1), 36);
  if (!Number.isSafeInteger(index) || encode(index) !== cursor) throw new CursorInvalid();
  return index;
}

/** `GET /api/audit/webhooks/:id/deliveries`: what waits and what is dead, newest in the log first. What was delivered is not kept. */
export function listWebhookDeliveriesRoute({ app, db }: AuditContext): void {
  app.route({
    method: 'GET',
    url: '/api/audit/webhooks/:id/deliveries',
    schema: {
      params: paramsSchema,
      querystring: querySchema,
      response: {
        200: Type.Object({
          data: Type.Array(deliverySchema),
          next_cursor: nullable(Type.String()),
        }),
      },
    },
    config: { operation: 'audit.list_webhook_deliveries', access: { permission: 'audit:operate' } },
    handler: async (request) => {
      const {
        params: { id },
        query: { status, limit, cursor },
      } = request;
      const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : decode(cursor);
      if (!(await findWebhook(db, id))) throw new WebhookNotFound();
      const found = await listDeliveries(db, id, { status, before, limit: limit + 1 });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        data: page.map(toDelivery),
        next_cursor: last && found.length > limit ? encode(last.index) : null,
      };
    },
  });
}
