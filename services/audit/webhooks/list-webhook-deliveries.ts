import { Type } from 'typebox';
import { CursorInvalid, defineRoute, idParams, nullable, strictObject } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { WebhookNotFound } from '../errors.ts';
import { listDeliveries } from './delivery/delivery-queries.ts';
import { findWebhook } from './delivery/webhook-queries.ts';
import { deliverySchema, toDeliveryResource } from './delivery-resource.ts';

const querySchema = strictObject({
  status: Type.Optional(Type.Union([Type.Literal('pending'), Type.Literal('dead')])),
  limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
  cursor: Type.Optional(Type.String({ maxLength: 20 })),
});
const pageSchema = Type.Object({
  data: Type.Array(deliverySchema),
  next_cursor: nullable(Type.String()),
});

/** Lists pending and dead deliveries, newest in the log first. Delivered ones have no row. */
export const listWebhookDeliveries = defineRoute({
  method: 'GET',
  url: '/api/audit/webhooks/:id/deliveries',
  operation: 'webhooks.list_webhook_deliveries',
  summary: 'List the pending and dead deliveries of a webhook.',
  access: { permission: 'audit:operate' },
  params: idParams,
  query: querySchema,
  response: { 200: pageSchema },
  errors: [CursorInvalid, WebhookNotFound],
  handler:
    ({ data: { db } }: Pick<AuditContext, 'data'>) =>
    async (request) => {
      const { id } = request.params;
      const { status, limit, cursor } = request.query;
      const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : decodeIndex(cursor);
      if (!(await findWebhook(db, id))) throw new WebhookNotFound();
      const rows = await listDeliveries(db, id, { status, before, limit: limit + 1 });
      const page = rows.slice(0, limit);
      const last = rows.length > limit ? page.at(-1) : undefined;
      return {
        data: page.map(toDeliveryResource),
        next_cursor: last ? encodeIndex(last.index) : null,
      };
    },
});

const encodeIndex = (index: number): string => `d${index.toString(36)}`;

/** @throws CursorInvalid for what `encodeIndex` has not made */
function decodeIndex(cursor: string): number {
  const index = Number.parseInt(cursor.slice(1), 36);
  if (!Number.isSafeInteger(index) || encodeIndex(index) !== cursor) throw new CursorInvalid();
  return index;
}
