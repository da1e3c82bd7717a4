import { Type } from 'typebox';
import type { AuditContext } from '../context.ts';
import { AuditLogNotFound } from '../errors.ts';
import { logEntrySchema, jsonText, renderEntries } from './log-entry.ts';
import { findLogEntry } from './log-queries.ts';
import { readerOf } from './reader.ts';
import { recordReading } from './record-reading.ts';
import { visibilityOf } from './visibility.ts';

/** `GET /api/audit/logs/:id`: one entry, once it is sealed; one that the caller may not see answers as an absent one. */
export function getLogRoute(server: AuditContext): void {
  const { app, db } = server;
  app.route({
    method: 'GET',
    url: '/api/audit/logs/:id',
    schema: {
      params: Type.Object({ id: Type.String({ format: 'uuid' }) }),
      response: { 200: jsonText(logEntrySchema) },
    },
    config: { operation: 'audit.get', access: { permission: 'audit:read-own', viewer: true } },
    handler: async (request, reply) => {
      const reader = readerOf(request);
      const visibility = visibilityOf(reader);
      const event = await findLogEntry(db, visibility, request.params.id);
      if (!event) throw new AuditLogNotFound();
      if (!event.concerns.includes(request.principal?.id ?? ''))
        await recordReading(server, request, reader, { resource: event.id });
      reply.type('application/json; charset=utf-8');
      return (await renderEntries(server, visibility, [event])).join('');
    },
  });
}
