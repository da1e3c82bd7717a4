import { Type } from 'typebox';
import { defineRoute, idParams, requirePreconditions } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { WebhookNotFound, WebhookUrlRefused } from '../errors.ts';
import { lockWebhook, updateWebhook as updateRow } from './delivery/webhook-queries.ts';
import { webhookUpdated } from './webhook-events.ts';
import { toWebhookResource, webhookFields, webhookSchema } from './webhook-resource.ts';

const bodySchema = Type.Partial(Type.Object({ ...webhookFields, enabled: Type.Boolean() }), {
  additionalProperties: false,
  minProperties: 1,
});

/** Changes the named fields. Enabling a webhook continues at its position: nothing is skipped. */
export const updateWebhook = defineRoute({
  method: 'PATCH',
  url: '/api/audit/webhooks/:id',
  operation: 'webhooks.update_webhook',
  summary: 'Change a webhook.',
  access: { permission: 'audit:operate' },
  params: idParams,
  body: bodySchema,
  response: { 200: webhookSchema },
  errors: [WebhookNotFound, WebhookUrlRefused],
  preconditions: 'handler',
  handler:
    ({ data, webhooks }: Pick<AuditContext, 'data' | 'webhooks'>) =>
    async (request) => {
      const { body: changes, params } = request;
      if (changes.url !== undefined) await webhooks.checkUrl(changes.url);
      return data.inTransaction(request, async (trx, record) => {
        const current = await lockWebhook(trx, params.id);
        if (!current) throw new WebhookNotFound();
        // It has no ETag: each delivery moves its position.
        requirePreconditions(request, { lastModified: current.updated });
        const webhook = await updateRow(trx, params.id, changes);
        if (!webhook) throw new WebhookNotFound();
        await record(webhookUpdated(webhook, Object.keys(changes)));
        return toWebhookResource(webhook);
      });
    },
});
