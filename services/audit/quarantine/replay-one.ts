import { Type } from 'typebox';
import type { AuditContext } from '../context.ts';
import { replayQuarantined } from './replay.ts';

export const replaySchema = Type.Object({
  id: Type.String({ format: 'uuid' }),
  event_id: Type.String({ format: 'uuid' }),
  outcome: Type.Union([Type.Literal('stored'), Type.Literal('known')]),
  replayed_at: Type.String({ format: 'date-time' }),
});

/** `POST /api/audit/quarantine/:id/replay`: takes one record into the log. A second time answers the same. */
export function replayQuarantinedRoute(server: AuditContext): void {
  server.app.route({
    method: 'POST',
    url: '/api/audit/quarantine/:id/replay',
    schema: {
      params: Type.Object({ id: Type.String({ format: 'uuid' }) }),
      response: { 200: replaySchema },
    },
    config: {
      operation: 'audit.quarantine.replay',
      access: { permission: 'audit:operate' },
      idempotency: 'own',
    },
    handler: (request) => replayQuarantined(server, request, request.params.id),
  });
}
