import { Type, type Static } from 'typebox';
import {
  CursorInvalid,
  decodeCursor,
  defineRoute,
  encodeCursor,
  pageQuery,
} from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { decryptRecords } from './encrypt-records.ts';
import { quarantineRead } from './quarantine-events.ts';
import { listQuarantined } from './quarantine-queries.ts';
import { entrySchema, toEntryResource } from './quarantine-resource.ts';

const reasons = ['unreadable', 'forged', 'contradiction', 'refused'] as const;
const querySchema = pageQuery({
  reason: Type.Optional(Type.Union(reasons.map((reason) => Type.Literal(reason)))),
  replayed: Type.Optional(
    Type.Union([Type.Literal('true'), Type.Literal('false')], {
      description: 'Only those that were replayed, or only those that were not.',
    }),
  ),
});

/** Lists quarantined records with their reasons, newest first. The reading is an event. */
export const listQuarantine = defineRoute({
  method: 'GET',
  url: '/api/audit/quarantine',
  operation: 'quarantine.list_quarantine',
  summary: 'List the records in quarantine.',
  access: { permission: 'audit:operate' },
  query: querySchema,
  response: { 200: Type.Array(entrySchema) },
  sends: { 200: ['Link'] },
  errors: [CursorInvalid],
  handler:
    ({ data: { db }, audit, crypto }: Pick<AuditContext, 'data' | 'audit' | 'crypto'>) =>
    async (request, reply) => {
      const { limit, cursor, reason, replayed } = request.query;
      const entries = await listQuarantined(db, {
        limit: limit + 1,
        before: cursor === undefined ? undefined : decodeCursor(cursor),
        reason,
        replayed: replayed === undefined ? undefined : replayed === 'true',
      });
      const page = entries.slice(0, limit);
      const last = entries.length > limit ? page.at(-1) : undefined;
      if (last) reply.header('link', linkToNext(request.query, last.id));
      await audit.record(request, quarantineRead(page.length, reason));
      return (await decryptRecords(db, crypto.subjectKeys, page)).map(toEntryResource);
    },
});

/** The `Link` header of the next page (RFC 8288). */
function linkToNext(query: Static<typeof querySchema>, lastId: string): string {
  const next = new URLSearchParams({
    ...query,
    limit: String(query.limit),
    cursor: encodeCursor(lastId),
  });
  return `</api/audit/quarantine?${next.toString()}>; rel="next"`;
}
