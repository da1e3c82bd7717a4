import { defineRoute, idParams } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { AuditLogNotFound } from '../errors.ts';
import { findLogEntry } from './log-queries.ts';
import { jsonText, logResourceSchema, renderEntries } from './log-resource.ts';
import { readerOf } from './readers/reader.ts';
import { recordReading } from './record-reading.ts';
import { visibilityOf } from './readers/visibility.ts';

/** An entry that the caller may not see answers like an absent one. */
export const getLog = defineRoute({
  method: 'GET',
  url: '/api/audit/logs/:id',
  operation: 'trail.get_log',
  summary: 'Get one sealed entry of the trail.',
  access: { permission: 'audit:read-own', viewer: true },
  params: idParams,
  response: { 200: jsonText(logResourceSchema) },
  errors: [AuditLogNotFound],
  handler: ({ data: { db }, crypto, audit }: Pick<AuditContext, 'data' | 'crypto' | 'audit'>) => {
    const parts = { db, subjectKeys: crypto.subjectKeys };
    return async (request, reply) => {
      const reader = readerOf(request);
      const visibility = visibilityOf(reader);
      const event = await findLogEntry(db, visibility, request.params.id);
      if (!event) throw new AuditLogNotFound();
      if (!event.concerns.includes(request.principal?.id ?? ''))
        await recordReading(audit.record, request, { reader, resource: event.id });
      reply.type('application/json; charset=utf-8');
      return (await renderEntries(parts, visibility, [event])).join('');
    };
  },
});
