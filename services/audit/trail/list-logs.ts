import type { FastifyReply } from 'fastify';
import { Type, type Static } from 'typebox';
import type { AuditContext } from '../context.ts';
import { cursorBinding, decodeListCursor, encodeListCursor } from './cursor.ts';
import { FilterInvalid } from '../errors.ts';
import { filterProperties, pickFilter } from './filter.ts';
import { logEntrySchema, jsonText, renderEntries } from './log-entry.ts';
import { createLogQuery } from './log-query.ts';
import {
  listByIndex,
  listNewestFirst,
  findLogEnd,
  type LoggedEvent,
  type LogQuery,
} from './log-queries.ts';
import { readerOf, type Reader } from './reader.ts';
import { recordReading } from './record-reading.ts';
import { readerIdentity, visibilityOf } from './visibility.ts';

const querySchema = Type.Object(
  {
    ...filterProperties,
    scope: Type.Optional(
      Type.Literal('own', {
        description: 'Only what concerns the caller, for whom may read more.',
      }),
    ),
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
  },
  { additionalProperties: false },
);

type Query = Static<typeof querySchema>;

/** Entries that one page of `order=log` looks at: 3 µs each, and a filter that few of them pass must not make a page slow. */
const LOOKED_AT = 500;

interface Page {
  events: LoggedEvent[];
  /** Where the next page begins; undefined after the last. */
  next?: { cursor: string } | { after: number };
  /** In order of the log: where whoever has read to its end goes on later. */
  resume?: { after: number };
}

async function newestFirst(
  { db }: AuditContext,
  query: Query,
  log: LogQuery,
  reader: Reader,
): Promise<Page> {
  const binding = cursorBinding({
    order: 'time',
    reader: readerIdentity(reader),
    filter: pickFilter(query),
  });
  const cursor = query.cursor === undefined ? undefined : decodeListCursor(query.cursor, binding);
  const { size, before } = cursor ? { size: cursor.size, before: cursor.id } : await findLogEnd(db);
  const found = await listNewestFirst(db, log, { size, before, limit: query.limit + 1 });
  const events = found.slice(0, query.limit);
  const last = events.at(-1);
  return {
    events,
    ...(last &&
      found.length > events.length && {
        next: { cursor: encodeListCursor({ size, id: last.id }, binding) },
      }),
  };
}

async function byIndex(
  { db }: AuditContext,
  { after, limit }: Query,
  log: LogQuery,
): Promise<Page> {
  const { size } = await findLogEnd(db);
  const from = after === undefined ? 0 : after + 1;
  const to = Math.min(size, from + LOOKED_AT);
  const found = await listByIndex(db, log, { from, to, limit: limit + 1 });
  const events = found.slice(0, limit);
  const behind = found.length > events.length ? (events.at(-1)?.index ?? to - 1) : to - 1;
  if (behind < size - 1) return { events, next: { after: behind } };
  return { events, ...(size > 0 && { resume: { after: Math.max(behind, after ?? 0) } }) };
}

/** RFC 8288. `monitor` (RFC 5989) is where to ask later for what comes after the end of the log. */
function link(
  reply: FastifyReply,
  query: Query,
  rel: 'next' | 'monitor',
  position: { cursor: string } | { after: number },
): void {
  const { cursor: _cursor, after: _after, ...rest } = query;
  const parameters = new URLSearchParams(
    Object.entries({ ...rest, ...position }).map(([name, value]): [string, string] => [
      name,
      String(value),
    ]),
  );
  reply.header('link', `</api/audit/logs?${parameters.toString()}>; rel="${rel}"`);
}

/**
 * `GET /api/audit/logs`: what the caller may read, as a bare array; the next page's address in `Link`. Newest first, within the log as it was at the first page: what is
 * sealed meanwhile neither shifts nor doubles anything. With `order=log` by index, oldest first: nothing ever arrives behind a poller.
 */
export function listLogsRoute(server: AuditContext): void {
  server.app.route({
    method: 'GET',
    url: '/api/audit/logs',
    schema: { querystring: querySchema, response: { 200: jsonText(Type.Array(logEntrySchema)) } },
    config: { operation: 'audit.list', access: { permission: 'audit:read-own', viewer: true } },
    handler: async (request, reply) => {
      const { query } = request;
      if (query.order === 'log' ? query.cursor !== undefined : query.after !== undefined)
        throw new FilterInvalid('after goes with order=log, cursor without it');
      const reader = readerOf(request, query.scope);
      const visibility = visibilityOf(reader);
      const log = await createLogQuery(server, visibility, pickFilter(query));
      const { events, next, resume } =
        query.order === 'log'
          ? await byIndex(server, query, log)
          : await newestFirst(server, query, log, reader);
      await recordReading(server, request, reader, {
        filter: pickFilter(query),
        count: events.length,
      });
      if (next) link(reply, query, 'next', next);
      else if (resume) link(reply, query, 'monitor', resume);
      reply.type('application/json; charset=utf-8');
      return `[${(await renderEntries(server, visibility, events)).join(',')}]`;
    },
  });
}
