import { Type, type Static } from 'typebox';
import type { Webhook } from './delivery/webhook-queries.ts';
import { MAX_URL_LENGTH } from './delivery/endpoint.ts';

const nullable = <Schema extends ReturnType<typeof Type.String>>(schema: Schema) =>
  Type.Union([schema, Type.Null()]);
const text = (maxLength: number) => Type.String({ minLength: 1, maxLength });

export const MAX_WEBHOOKS = 100;

/** What whoever makes or changes a webhook says of it. */
export const webhookFields = {
  url: Type.String({ minLength: 1, maxLength: MAX_URL_LENGTH }),
  description: nullable(text(200)),
  actions: Type.Array(Type.String({ pattern: '^[A-Z][A-Z0-9_]*\\*?$', maxLength: 100 }), {
    maxItems: 50,
    description: 'Actions to deliver, or beginnings with * behind them; none: all.',
  }),
  tenant_id: nullable(text(200)),
  include_personal: Type.Boolean({
    description: 'Whether e-mail, address, user agent and other personal values are sent.',
  }),
};

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
    description: 'All of the log up to this index has been delivered, or waits in the deliveries.',
  }),
  failures: Type.Integer({ description: 'Attempts that failed since the last that did not.' }),
  failing_since: nullable(Type.String()),
  created: Type.String(),
  updated: Type.String(),
});

export const paramsSchema = Type.Object({ id: Type.String({ format: 'uuid' }) });

/** A webhook as it is answered: without its secret, which is shown once. */
export function toResource({
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
  failing_since,
  created,
  updated,
}: Webhook): Static<typeof webhookSchema> {
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
    failing_since: failing_since?.toISOString() ?? null,
    created: created.toISOString(),
    updated: updated.toISOString(),
  };
}

/** What an event tells of a webhook. The rest of its URL may be a credential. */
export const inEvent = ({ url, actions, tenant_id, include_personal, enabled }: Webhook) => ({
  host: new URL(url).host,
  actions,
  tenant_id,
  include_personal,
  enabled,
});
