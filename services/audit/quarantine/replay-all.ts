import { Type } from 'typebox';
import { isClientError } from '../errors.ts';
import type { AuditContext } from '../context.ts';
import { listQuarantined } from './quarantine-queries.ts';
import { replayQuarantined, type Replay } from './replay.ts';
import { replaySchema } from './replay-one.ts';

const bodySchema = Type.Object(
  {
    reason: Type.Optional(
      Type.Union(
        (['unreadable', 'refused', 'contradiction'] as const).map((reason) => Type.Literal(reason)),
      ),
    ),
    limit: Type.Integer({ minimum: 1, maximum: 200, default: 100 }),
  },
  { additionalProperties: false },
);

const answerSchema = Type.Object({
  replayed: Type.Array(replaySchema),
  failed: Type.Array(
    Type.Object({
      id: Type.String({ format: 'uuid' }),
      code: Type.String(),
      detail: Type.String(),
    }),
  ),
});

/** `POST /api/audit/quarantine/replay`: tries the newest records that were not replayed, one transaction each; what cannot be taken stays and says why. */
export function replayQuarantineRoute(server: AuditContext): void {
  server.app.route({
    method: 'POST',
    url: '/api/audit/quarantine/replay',
    schema: { body: bodySchema, response: { 200: answerSchema } },
    config: {
      operation: 'audit.quarantine.replay-all',
      access: { permission: 'audit:operate' },
      idempotency: 'own',
    },
    handler: async (request) => {
      const { reason, limit } = request.body;
      const replayed: Replay[] = [];
      const failed: { id: string; code: string; detail: string }[] = [];
      for (const { id } of await listQuarantined(server.db, {
        limit,
        before: undefined,
        reason,
        open: true,
      })) {
        try {
          replayed.push(await replayQuarantined(server, request, id));
        } catch (error) {
          if (!isClientError(error)) throw error;
          failed.push({ id, code: error.code.toLowerCase(), detail: error.message });
        }
      }
      return { replayed, failed };
    },
  });
}
