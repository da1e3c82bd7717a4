import { Type } from 'typebox';
import { defineRoute, idParams, requirePreconditions } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { WebhookNotFound } from '../errors.ts';
import { wrapSecret } from './delivery/secrets.ts';
import { createSecret, secretText } from './delivery/signature.ts';
import { findWebhook, rotateSecret } from './delivery/webhook-queries.ts';
import { webhookSecretRotated } from './webhook-events.ts';

/** Deliveries have both signatures for so long, so receivers change the secret without a gap. */
const OVERLAP_MS = 24 * 60 * 60_000;

/** Replaces a webhook's secret, and shows the new one once. */
export const rotateWebhookSecret = defineRoute({
  method: 'POST',
  url: '/api/audit/webhooks/:id/secret',
  operation: 'webhooks.rotate_webhook_secret',
  summary: 'Replace the secret of a webhook.',
  access: { permission: 'audit:operate' },
  params: idParams,
  response: { 200: Type.Object({ secret: Type.String(), previous_valid_until: Type.String() }) },
  errors: [WebhookNotFound],
  replayWhile:
    ({ data: { db } }: Pick<AuditContext, 'data'>) =>
    async (_answer, request) =>
      (await findWebhook(db, (request.params as { id: string }).id)) !== undefined,
  preconditions: 'handler',
  handler:
    ({ data, crypto }: Pick<AuditContext, 'data' | 'crypto'>) =>
    async (request) => {
      const { id } = request.params;
      const secret = createSecret();
      const wrapped = await wrapSecret(crypto.masterKey, id, secret);
      const previousUntil = new Date(Date.now() + OVERLAP_MS);
      await data.inTransaction(request, async (trx, record) => {
        if (!(await rotateSecret(trx, id, wrapped, previousUntil))) throw new WebhookNotFound();
        requirePreconditions(request, undefined);
        await record(webhookSecretRotated(id));
      });
      return { secret: secretText(secret), previous_valid_until: previousUntil.toISOString() };
    },
});
