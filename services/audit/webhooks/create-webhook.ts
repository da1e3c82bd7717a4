import { Type } from 'typebox';
import { uuidv7 } from '@muniment/database';
import { principalOf } from '@muniment/security';
import type { AuditContext } from '../context.ts';
import { CursorInvalid } from '@muniment/server';
import { TooManyWebhooks } from '../errors.ts';
import { findSealedHead } from '../proofs/sealed-event-queries.ts';
import { countWebhooksToAdd, findWebhook, insertWebhook } from './delivery/webhook-queries.ts';
import { wrapSecret } from './delivery/secrets.ts';
import { createSecret, secretText } from './delivery/signature.ts';
import {
  inEvent,
  MAX_WEBHOOKS,
  toResource,
  webhookFields,
  webhookSchema,
} from './webhook-resource.ts';

const { url, ...optional } = webhookFields;
const bodySchema = Type.Object(
  {
    url,
    ...Type.Partial(Type.Object(optional)).properties,
    after: Type.Optional(Type.Integer({ minimum: -1, maximum: Number.MAX_SAFE_INTEGER })),
  },
  { additionalProperties: false },
);

/** `POST /api/audit/webhooks`: from now on (or behind an index) events go to the URL. The secret to check them by is answered this once. */
export function createWebhookRoute({
  app,
  db,
  masterKey,
  webhooks,
  inTransaction,
}: AuditContext): void {
  app.route({
    method: 'POST',
    url: '/api/audit/webhooks',
    schema: {
      body: bodySchema,
      response: { 201: Type.Object({ ...webhookSchema.properties, secret: Type.String() }) },
    },
    config: {
      operation: 'audit.create_webhook',
      access: { permission: 'audit:operate' },
      replayWhile: async (answer) =>
        (await findWebhook(db, (answer as { id: string }).id)) !== undefined,
    },
    handler: async (request, reply) => {
      const { body } = request;
      await webhooks.checkUrl(body.url);
      const head = await findSealedHead(db);
      if (body.after !== undefined && body.after > head) throw new CursorInvalid();
      const id = uuidv7(Date.now());
      const secret = createSecret();
      const wrapped = await wrapSecret(masterKey, id, secret);
      const webhook = await inTransaction(request, async (trx, record) => {
        if ((await countWebhooksToAdd(trx)) >= MAX_WEBHOOKS) throw new TooManyWebhooks();
        const made = await insertWebhook(trx, {
          id,
          url: body.url,
          description: body.description ?? null,
          actions: body.actions ?? [],
          tenant_id: body.tenant_id ?? null,
          include_personal: body.include_personal ?? false,
          wrapped_secret: wrapped,
          position: body.after ?? head,
          created_by: principalOf(request).id,
        });
        await record({
          action: 'WEBHOOK_CREATED',
          resource: id,
          resource_type: 'webhook',
          metadata: inEvent(made),
        });
        return made;
      });
      return reply
        .code(201)
        .header('location', `/api/audit/webhooks/${id}`)
        .send({ ...toResource(webhook), secret: secretText(secret) });
    },
  });
}
