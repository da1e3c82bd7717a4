import { Type } from 'typebox';
import type { AuditContext } from '../context.ts';
import { WebhookNotFound } from '../errors.ts';
import { findWebhook, rotateSecret } from './delivery/webhook-queries.ts';
import { wrapSecret } from './delivery/secrets.ts';
import { createSecret, secretText } from './delivery/signature.ts';
import { paramsSchema } from './webhook-resource.ts';

/** So long deliveries are signed by the secret before, too: receivers change theirs without a gap. */
const OVERLAP_MS = 24 * 60 * 60_000;

/** `POST /api/audit/webhooks/:id/secret`: a new secret, answered this once. */
export function rotateWebhookSecretRoute({
  app,
  db,
  masterKey,
  inTransaction,
}: AuditContext): void {
  app.route({
    method: 'POST',
    url: '/api/audit/webhooks/:id/secret',
    schema: {
      params: paramsSchema,
      response: {
        200: Type.Object({ secret: Type.String(), previous_valid_until: Type.String() }),
      },
    },
    config: {
      operation: 'audit.rotate_webhook_secret',
      access: { permission: 'audit:operate' },
      replayWhile: async (_answer, request) =>
        (await findWebhook(db, (request.params as { id: string }).id)) !== undefined,
    },
    handler: async (request) => {
      const { id } = request.params;
      const secret = createSecret();
      const wrapped = await wrapSecret(masterKey, id, secret);
      const until = new Date(Date.now() + OVERLAP_MS);
      await inTransaction(request, async (trx, record) => {
        if (!(await rotateSecret(trx, id, wrapped, until))) throw new WebhookNotFound();
        await record({
          action: 'WEBHOOK_UPDATED',
          resource: id,
          resource_type: 'webhook',
          metadata: { fields: ['secret'] },
        });
      });
      return { secret: secretText(secret), previous_valid_until: until.toISOString() };
    },
  });
}
