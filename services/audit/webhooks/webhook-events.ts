import type { RequestEvent } from '@muniment/server';
import type { Webhook } from './delivery/webhook-queries.ts';

const aboutWebhook = (id: string) => ({ resource: id, resource_type: 'webhook' });

/** The URL's host only: its path and query may hold a credential. */
const describe = ({ url, actions, tenant_id, include_personal, enabled }: Webhook) => ({
  host: new URL(url).host,
  actions,
  tenant_id,
  include_personal,
  enabled,
});

export const webhookCreated = (webhook: Webhook): RequestEvent => ({
  action: 'WEBHOOK_CREATED',
  ...aboutWebhook(webhook.id),
  metadata: describe(webhook),
});

export const webhookUpdated = (webhook: Webhook, fields: readonly string[]): RequestEvent => ({
  action: 'WEBHOOK_UPDATED',
  ...aboutWebhook(webhook.id),
  metadata: { fields: fields.toSorted(), ...describe(webhook) },
});

export const webhookSecretRotated = (id: string): RequestEvent => ({
  action: 'WEBHOOK_UPDATED',
  ...aboutWebhook(id),
  metadata: { fields: ['secret'] },
});

export const webhookDeleted = (webhook: Webhook): RequestEvent => ({
  action: 'WEBHOOK_DELETED',
  ...aboutWebhook(webhook.id),
  metadata: describe(webhook),
});

export const webhookRetried = (id: string, eventId: string): RequestEvent => ({
  action: 'WEBHOOK_RETRIED',
  ...aboutWebhook(id),
  metadata: { event_id: eventId },
});
