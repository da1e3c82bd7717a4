import { Type, type Static } from 'typebox';
import { defineRoute, strictObject, uuid } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { isClientError } from '../errors.ts';
import { listQuarantined } from './quarantine-queries.ts';
import { replaySchema, type Replay } from './quarantine-resource.ts';
import { replayEntry } from './replay-entry.ts';

const reasons = ['unreadable', 'refused', 'contradiction'] as const;
const bodySchema = strictObject({
  reason: Type.Optional(Type.Union(reasons.map((reason) => Type.Literal(reason)))),
  limit: Type.Integer({ minimum: 1, maximum: 200, default: 100 }),
});

const failureSchema = Type.Object({ id: uuid, code: Type.String(), detail: Type.String() });
const answerSchema = Type.Object({
  replayed: Type.Array(replaySchema),
  failed: Type.Array(failureSchema),
});

/** Replays the newest records, each in its own transaction. A failed one stays in quarantine. */
export const replayQuarantine = defineRoute({
  method: 'POST',
  url: '/api/audit/quarantine/replay',
  operation: 'quarantine.replay_quarantine',
  summary: 'Store the newest quarantined records in the log.',
  access: { permission: 'audit:operate' },
  body: bodySchema,
  response: { 200: answerSchema },
  errors: [],
  idempotency: 'own',
  handler: (context: Pick<AuditContext, 'data' | 'crypto' | 'searchTerms'>) => async (request) => {
    const { reason, limit } = request.body;
    const page = { limit, before: undefined, reason, replayed: false };
    const entries = await listQuarantined(context.data.db, page);
    const replayed: Replay[] = [];
    const failed: Static<typeof failureSchema>[] = [];
    for (const { id } of entries) {
      try {
        replayed.push(await replayEntry(context, request, id));
      } catch (error) {
        if (!isClientError(error)) throw error;
        failed.push({ id, code: error.code.toLowerCase(), detail: error.message });
      }
    }
    return { replayed, failed };
  },
});
