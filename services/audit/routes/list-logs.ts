import { Type, type Static } from 'typebox';
import { principalOf } from '@muniment/security';
import type { AuditServer } from '../audit-server.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { logEntrySchema, rendered, renderEntries } from '../log-entry.ts';
import { listOwnEvents } from '../queries/own-events.ts';

const querySchema = Type.Object({
  action: Type.Optional(Type.String({ pattern: '^[A-Z][A-Z0-9_]*$', maxLength: 100 })),
  outcome: Type.Optional(Type.Union([Type.Literal('success'), Type.Literal('failure')])),
  resource: Type.Optional(Type.String({ pattern: '^[^\\u0000]+$', maxLength: 500 })),
  from: Type.Optional(Type.String({ format: 'date-time', description: 'Events at or after this time.' })),
  to: Type.Optional(Type.String({ format: 'date-time', description: 'Events before this time.' })),
  limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
  cursor: Type.Optional(Type.String({ maxLength: 100 })),
}, { additionalProperties: false });

type Query = Static<typeof querySchema>;

const date = (text: string | undefined): Date | undefined => (text === undefined ? undefined : new Date(text));

function nextPage(query: Query, lastId: string): string {
  const parameters = new URLSearchParams({ ...query, limit: String(query.limit), cursor: encodeCursor(lastId) });
  return `</api/audit/logs?${parameters.toString()}>; rel="next"`;
}

/** `GET /api/audit/logs`: what concerns the caller, newest first, as a bare array; the next page's address in `Link` (RFC 8288). */
export function listLogsRoute({ app, db, subjectKeys }: AuditServer): void {
  app.route({
    method: 'GET',
    url: '/api/audit/logs',
    schema: { querystring: querySchema, response: { 200: rendered(Type.Array(logEntrySchema)) } },
    config: { operation: 'audit.list', access: { permission: 'audit:read-own' } },
    handler: async (request, reply) => {
      const { query } = request;
      const { id: userId } = principalOf(request);
      const events = await listOwnEvents(db, userId, {
        action: query.action,
        outcome: query.outcome,
        resource: query.resource,
        from: date(query.from),
        to: date(query.to),
        before: query.cursor === undefined ? undefined : decodeCursor(query.cursor),
        limit: query.limit + 1,
      });
      const page = events.slice(0, query.limit);
      const last = page.at(-1);
      if (last && events.length > page.length) reply.header('link', nextPage(query, last.id));
      reply.type('application/json; charset=utf-8');
      return `[${(await renderEntries(db, subjectKeys, userId, page)).join(',')}]`;
    },
  });
}
