import { Type } from 'typebox';
import { defineRoute } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { listWebhooks as listRows } from './delivery/webhook-queries.ts';
import { toWebhookResource, webhookSchema } from './webhook-resource.ts';

/** Lists all webhooks, oldest first. There are at most a hundred, so there is one page. */
export const listWebhooks = defineRoute({
  method: 'GET',
  url: '/api/audit/webhooks',
  operation: 'webhooks.list_webhooks',
  summary: 'List the webhooks.',
  access: { permission: 'audit:operate' },
  response: { 200: Type.Object({ data: Type.Array(webhookSchema), next_cursor: Type.Null() }) },
  errors: [],
  handler:
    ({ data: { db } }: Pick<AuditContext, 'data'>) =>
    async () => ({ data: (await listRows(db)).map(toWebhookResource), next_cursor: null }),
});
