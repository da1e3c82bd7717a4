import { Type } from 'typebox';
import { uuidv7 } from '@muniment/database';
import { principalOf } from '@muniment/security';
import { CursorInvalid, defineRoute, strictObject } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { TooManyWebhooks, WebhookUrlRefused } from '../errors.ts';
import { findSealedHead } from '../proofs/sealed-event-queries.ts';
import { wrapSecret } from './delivery/secrets.ts';
import { createSecret, secretText } from './delivery/signature.ts';
import { countWebhooksToAdd, findWebhook, insertWebhook } from './delivery/webhook-queries.ts';
import { webhookCreated } from './webhook-events.ts';
import { toWebhookResource, webhookFields, webhookSchema } from './webhook-resource.ts';

const MAX_WEBHOOKS = 100;

const { url, ...optional } = webhookFields;
const bodySchema = strictObject({
  url,
  ...Type.Partial(Type.Object(optional)).properties,
  after: Type.Optional(Type.Integer({ minimum: -1, maximum: Number.MAX_SAFE_INTEGER })),
});

type CreateContext = Pick<AuditContext, 'data' | 'crypto' | 'webhooks'>;

/** Creates a webhook for later events, or those behind an index. It shows the secret once. */
export const createWebhook = defineRoute({
  method: 'POST',
  url: '/api/audit/webhooks',
  operation: 'webhooks.create_webhook',
  summary: 'Create a webhook.',
  access: { permission: 'audit:operate' },
  body: bodySchema,
  response: { 201: Type.Object({ ...webhookSchema.properties, secret: Type.String() }) },
  sends: { 201: ['Location'] },
  errors: [CursorInvalid, TooManyWebhooks, WebhookUrlRefused],
  replayWhile:
    ({ data: { db } }: CreateContext) =>
    async (answer) =>
      (await findWebhook(db, (answer as { id: string }).id)) !== undefined,
  handler:
    ({ data, crypto, webhooks }: CreateContext) =>
    async (request, reply) => {
      const { body } = request;
      await webhooks.checkUrl(body.url);
      const head = await findSealedHead(data.db);
      if (body.after !== undefined && body.after > head) throw new CursorInvalid();
      const id = uuidv7(Date.now());
      const secret = createSecret();
      const wrappedSecret = await wrapSecret(crypto.masterKey, id, secret);
      const webhook = await data.inTransaction(request, async (trx, record) => {
        if ((await countWebhooksToAdd(trx)) >= MAX_WEBHOOKS) throw new TooManyWebhooks();
        const created = await insertWebhook(trx, {
          id,
          url: body.url,
          description: body.description ?? null,
          actions: body.actions ?? [],
          tenant_id: body.tenant_id ?? null,
          include_personal: body.include_personal ?? false,
          wrapped_secret: wrappedSecret,
          position: body.after ?? head,
          created_by: principalOf(request).id,
        });
        await record(webhookCreated(created));
        return created;
      });
      return reply
        .code(201)
        .header('location', `/api/audit/webhooks/${id}`)
        .send({ ...toWebhookResource(webhook), secret: secretText(secret) });
    },
});
