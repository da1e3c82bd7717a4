import { Type } from 'typebox';
import { principalOf } from '@muniment/security';
import type { AuditServer } from '../audit-server.ts';
import { AuditErrors } from '../errors.ts';
import { logEntrySchema, rendered, renderEntries } from '../log-entry.ts';
import { findOwnEvent } from '../queries/own-events.ts';

/** `GET /api/audit/logs/:id`: one entry; another's answers as an absent one. */
export function getLogRoute({ app, db, subjectKeys }: AuditServer): void {
  app.route({
    method: 'GET',
    url: '/api/audit/logs/:id',
    schema: { params: Type.Object({ id: Type.String({ format: 'uuid' }) }), response: { 200: rendered(logEntrySchema) } },
    config: { operation: 'audit.get', access: { permission: 'audit:read-own' } },
    handler: async (request, reply) => {
      const { id: userId } = principalOf(request);
      const event = await findOwnEvent(db, userId, request.params.id);
      if (!event) throw new AuditErrors.AuditLogNotFound();
      reply.type('application/json; charset=utf-8');
      return (await renderEntries(db, subjectKeys, userId, [event])).join('');
    },
  });
}
