import { Type, type Static } from 'typebox';
import { nullable } from '@muniment/server';
import type { Webhook } from './delivery/webhook-queries.ts';
import { MAX_URL_LENGTH } from './delivery/endpoint.ts';

const text = (maxLength: number) => Type.String({ minLength: 1, maxLength });

/** The fields that an administrator sets. */
export const webhookFields = {
  url: Type.String({ minLength: 1, maxLength: MAX_URL_LENGTH }),
  description: nullable(text(200)),
  actions: Type.Array(Type.String({ pattern: '^[A-Z][A-Z0-9_]*\\*?$', maxLength: 100 }), {
    maxItems: 50,
    description: 'Actions to deliver, or their beginnings followed by *. An empty list means all.',
  }),
  tenant_id: nullable(text(200)),
  include_personal: Type.Boolean({
    description: 'Whether e-mail, address, user agent and other personal values are sent.',
  }),
};

/** A webhook as the API shows it. Its secret is shown once. */
export const webhookSchema = Type.Object({
  id: Type.String(),
  url: Type.String(),
  description: nullable(Type.String()),
  actions: Type.Array(Type.String()),
  tenant_id: nullable(Type.String()),
  include_personal: Type.Boolean(),
  enabled: Type.Boolean(),
  disabled_reason: nullable(Type.String()),
  position: Type.Integer({
    description: 'The log up to this index is delivered, or waits in the deliveries.',
  }),
  failures: Type.Integer({ description: 'Failed attempts since the last successful one.' }),
  failing_since: nullable(Type.String()),
  created: Type.String(),
  updated: Type.String(),
});

export function toWebhookResource(webhook: Webhook): Static<typeof webhookSchema> {
  const { id, url, description, actions, tenant_id, include_personal } = webhook;
  const { enabled, disabled_reason, position, failures } = webhook;
  return {
    id,
    url,
    description,
    actions,
    tenant_id,
    include_personal,
    enabled,
    disabled_reason,
    position,
    failures,
    failing_since: webhook.failing_since?.toISOString() ?? null,
    created: webhook.created.toISOString(),
    updated: webhook.updated.toISOString(),
  };
}
