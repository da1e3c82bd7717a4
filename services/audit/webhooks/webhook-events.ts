import type { RequestEvent } from '@muniment/server';
import type { TestResult } from './delivery/send-test.ts';
import type { Webhook } from './delivery/webhook-queries.ts';

const aboutWebhook = (id: string) => ({ resource: id, resource_type: 'webhook' });

/**
 * The URL's host only: its path and query may hold a credential. What the administrator typed is
 * personal, since metadata is sealed for ever.
 */
const describe = ({ url, actions, tenant_id, include_personal, enabled }: Webhook) => ({
  personal: { host: new URL(url).host, tenant_id },
  metadata: { actions, include_personal, enabled },
});

export const webhookCreated = (webhook: Webhook): RequestEvent => ({
  action: 'WEBHOOK_CREATED',
  ...aboutWebhook(webhook.id),
  ...describe(webhook),
});

export function webhookUpdated(webhook: Webhook, fields: readonly string[]): RequestEvent {
  const { personal, metadata } = describe(webhook);
  return {
    action: 'WEBHOOK_UPDATED',
    ...aboutWebhook(webhook.id),
    personal,
    metadata: { fields: fields.toSorted(), ...metadata },
  };
}

export const webhookSecretRotated = (id: string): RequestEvent => ({
  action: 'WEBHOOK_UPDATED',
  ...aboutWebhook(id),
  metadata: { fields: ['secret'] },
});

export const webhookTested = (
  id: string,
  { delivered, status, error }: Pick<TestResult, 'delivered' | 'status' | 'error'>,
): RequestEvent => ({
  action: 'WEBHOOK_TESTED',
  outcome: delivered ? 'success' : 'failure',
  error,
  ...aboutWebhook(id),
  metadata: { status },
});

export const webhookDeleted = (webhook: Webhook): RequestEvent => ({
  action: 'WEBHOOK_DELETED',
  ...aboutWebhook(webhook.id),
  ...describe(webhook),
});

export const webhookRetried = (id: string, eventId: string): RequestEvent => ({
  action: 'WEBHOOK_RETRIED',
  ...aboutWebhook(id),
  metadata: { event_id: eventId },
});
