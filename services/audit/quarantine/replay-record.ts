import { defineRoute, idParams } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import {
  QuarantineContradicted,
  QuarantineForged,
  QuarantineNotFound,
  QuarantineRefused,
  QuarantineUnreadable,
} from '../errors.ts';
import { replaySchema } from './quarantine-resource.ts';
import { replayEntry } from './replay-entry.ts';

/** Stores one quarantined record in the log. A second call answers the same. */
export const replayRecord = defineRoute({
  method: 'POST',
  url: '/api/audit/quarantine/:id/replay',
  operation: 'quarantine.replay_record',
  summary: 'Store one quarantined record in the log.',
  access: { permission: 'audit:operate' },
  params: idParams,
  response: { 200: replaySchema },
  errors: [
    QuarantineNotFound,
    QuarantineUnreadable,
    QuarantineForged,
    QuarantineContradicted,
    QuarantineRefused,
  ],
  idempotency: 'own',
  preconditions: 'handler',
  handler: (context: Pick<AuditContext, 'data' | 'crypto' | 'searchTerms'>) => (request) =>
    replayEntry(context, request, request.params.id),
});
