import { Type } from 'typebox';
import { defineRoute, idParams, requirePreconditions } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { WebhookNotFound } from '../errors.ts';
import { deleteWebhook as deleteRow } from './delivery/webhook-queries.ts';
import { webhookDeleted } from './webhook-events.ts';

/** Deletes a webhook with its pending and dead deliveries. */
export const deleteWebhook = defineRoute({
  method: 'DELETE',
  url: '/api/audit/webhooks/:id',
  operation: 'webhooks.delete_webhook',
  summary: 'Delete a webhook with its deliveries.',
  access: { permission: 'audit:operate' },
  params: idParams,
  response: { 204: Type.Null() },
  errors: [WebhookNotFound],
  preconditions: 'handler',
  handler:
    ({ data }: Pick<AuditContext, 'data'>) =>
    async (request, reply) => {
      await data.inTransaction(request, async (trx, record) => {
        const webhook = await deleteRow(trx, request.params.id);
        if (!webhook) throw new WebhookNotFound();
        requirePreconditions(request, { lastModified: webhook.updated });
        await record(webhookDeleted(webhook));
      });
      return reply.code(204).send(null);
    },
});
