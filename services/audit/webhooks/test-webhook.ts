import { Type } from 'typebox';
import { defineRoute, idParams, nullable, requirePreconditions } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { WebhookNotFound } from '../errors.ts';
import { findWebhook } from './delivery/webhook-queries.ts';
import { webhookTested } from './webhook-events.ts';

/** Sends one signed message at once, also to a webhook that is turned off. Nothing is tried again. */
export const testWebhook = defineRoute({
  method: 'POST',
  url: '/api/audit/webhooks/:id/test',
  operation: 'webhooks.test_webhook',
  summary: 'Send a test message to a webhook.',
  access: { permission: 'audit:operate' },
  params: idParams,
  response: {
    200: Type.Object({
      id: Type.String({ description: 'The webhook-id of the message.' }),
      delivered: Type.Boolean({ description: 'Whether the answer was a 2xx.' }),
      status: nullable(Type.Integer()),
      error: nullable(Type.String()),
      duration_ms: Type.Integer(),
    }),
  },
  errors: [WebhookNotFound],
  preconditions: 'handler',
  handler:
    ({ data: { db }, audit, webhooks }: Pick<AuditContext, 'data' | 'audit' | 'webhooks'>) =>
    async (request) => {
      const webhook = await findWebhook(db, request.params.id);
      if (!webhook) throw new WebhookNotFound();
      // Before the message goes out: it cannot be taken back.
      requirePreconditions(request, undefined);
      const result = await webhooks.sendTest(webhook);
      await audit.record(request, webhookTested(webhook.id, result));
      return result;
    },
});
