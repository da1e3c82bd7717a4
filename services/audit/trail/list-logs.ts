import type { FastifyReply } from 'fastify';
import { Type, type Static } from 'typebox';
import { CursorInvalid, defineRoute, strictObject } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { FilterInvalid } from '../errors.ts';
import { filterProperties, pickFilter, scopeProperty } from './filter.ts';
import { findPageByIndex, findPageByTime, type Page } from './find-page.ts';
import { createLogQuery } from './log-query.ts';
import { jsonText, logResourceSchema, renderEntries } from './log-resource.ts';
import { readerOf } from './readers/reader.ts';
import { recordReading } from './record-reading.ts';
import { readerIdentity, visibilityOf } from './readers/visibility.ts';

const querySchema = strictObject({
  ...filterProperties,
  ...scopeProperty,
  order: Type.Optional(
    Type.Literal('log', { description: 'By index, oldest first, for those who poll.' }),
  ),
  after: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'With order=log: entries behind this index.',
    }),
  ),
  limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
  cursor: Type.Optional(Type.String({ maxLength: 100 })),
});

type Query = Static<typeof querySchema>;
type ListContext = Pick<AuditContext, 'data' | 'crypto' | 'audit' | 'searchTerms'>;

/**
 * Lists newest first, within the log as it was at the first page: later events neither shift nor
 * double entries. With `order=log` by index: nothing ever appears behind a poller.
 */
export const listLogs = defineRoute({
  method: 'GET',
  url: '/api/audit/logs',
  operation: 'trail.list_logs',
  summary: 'List the entries of the trail that the caller may read.',
  access: { permission: 'audit:read-own', viewer: true },
  query: querySchema,
  response: { 200: jsonText(Type.Array(logResourceSchema)) },
  sends: { 200: ['Link'] },
  errors: [FilterInvalid, CursorInvalid],
  handler: ({ data: { db }, crypto, audit, searchTerms }: ListContext) => {
    const parts = { db, subjectKeys: crypto.subjectKeys };
    return async (request, reply) => {
      const { query } = request;
      requireOneOrder(query);
      const filter = pickFilter(query);
      const reader = readerOf(request, query.scope);
      const visibility = visibilityOf(reader);
      const log = await createLogQuery(searchTerms, visibility, filter);
      const page =
        query.order === 'log'
          ? await findPageByIndex(db, log, query)
          : await findPageByTime(db, log, {
              ...query,
              boundTo: { order: 'time', reader: readerIdentity(reader), filter },
            });
      const count = page.events.length;
      await recordReading(audit.record, request, { reader, filter, count });
      setLink(reply, query, page);
      reply.type('application/json; charset=utf-8');
      return `[${(await renderEntries(parts, visibility, page.events)).join(',')}]`;
    };
  },
});

/** @throws FilterInvalid */
function requireOneOrder({ order, cursor, after }: Query): void {
  if (order === 'log' ? cursor !== undefined : after !== undefined)
    throw new FilterInvalid('Send after only with order=log, and cursor only without it.');
}

/** RFC 8288. `monitor` (RFC 5989) is where to ask later for what follows the end of the log. */
function setLink(reply: FastifyReply, query: Query, { next, resume }: Page): void {
  const position = next ?? resume;
  if (!position) return;
  const { cursor: _cursor, after: _after, ...rest } = query;
  const parameters = new URLSearchParams(
    Object.entries({ ...rest, ...position }).map(([name, value]): [string, string] => [
      name,
      String(value),
    ]),
  );
  const rel = next ? 'next' : 'monitor';
  reply.header('link', `</api/audit/logs?${parameters.toString()}>; rel="${rel}"`);
}
