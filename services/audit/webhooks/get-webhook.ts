import { defineRoute, idParams } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { WebhookNotFound } from '../errors.ts';
import { findWebhook } from './delivery/webhook-queries.ts';
import { toWebhookResource, webhookSchema } from './webhook-resource.ts';

export const getWebhook = defineRoute({
  method: 'GET',
  url: '/api/audit/webhooks/:id',
  operation: 'webhooks.get_webhook',
  summary: 'Get a webhook without its secret.',
  access: { permission: 'audit:operate' },
  params: idParams,
  response: { 200: webhookSchema },
  errors: [WebhookNotFound],
  handler:
    ({ data: { db } }: Pick<AuditContext, 'data'>) =>
    async (request) => {
      const webhook = await findWebhook(db, request.params.id);
      if (!webhook) throw new WebhookNotFound();
      return toWebhookResource(webhook);
    },
});
