import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { derivedEventId } from '@muniment/audit-events';
import type { AuditContext } from '../context.ts';
import { cursorBinding, decodeExportCursor, encodeExportCursor } from '../trail/cursor.ts';
import { CursorInvalid } from '@muniment/server';
import { CheckpointMissing, ExportCapacity, FilterInvalid } from '../errors.ts';
import { cloudevents } from './cloudevents.ts';
import { csv } from './csv.ts';
import { createGate } from './gate.ts';
import { ndjson } from './ndjson.ts';
import { ocsf } from './ocsf.ts';
import { streamRows } from './read-rows.ts';
import { filterProperties, pickFilter } from '../trail/filter.ts';
import { createLogQuery } from '../trail/log-query.ts';
import { listArchivedMonths } from '../retention/archive-queries.ts';
import { readerOf, type Reader } from '../trail/reader.ts';
import { filterInEvent } from '../trail/record-reading.ts';
import { revalidateReader } from '../trail/revalidate-reader.ts';
import { readerIdentity, visibilityOf } from '../trail/visibility.ts';

/** What of the log an export is of, as its event tells it. */
const SCOPES = { user: 'own', all: 'all', viewer: 'tenant' } as const;
const formats = { ndjson, csv, cloudevents, ocsf };

const querySchema = Type.Object(
  {
    ...filterProperties,
    format: Type.Union(
      [
        Type.Literal('ndjson'),
        Type.Literal('csv'),
        Type.Literal('cloudevents'),
        Type.Literal('ocsf'),
      ],
      { default: 'ndjson' },
    ),
    scope: Type.Optional(
      Type.Literal('own', {
        description: 'Only what concerns the caller, for whom may read more.',
      }),
    ),
    after: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'Goes on behind the row of this index.',
      }),
    ),
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'Most rows of this part; absent: all.',
      }),
    ),
    cursor: Type.Optional(
      Type.String({
        maxLength: 100,
        description: 'The next_cursor of the part before, as ndjson ends with it.',
      }),
    ),
  },
  { additionalProperties: false },
);

/** The export as a stream, destroyed when its reader takes nothing for so long, when they may read no more, and when the connection closes. */
function streamOf(
  server: AuditContext,
  request: FastifyRequest,
  reply: FastifyReply,
  reader: Reader,
  text: AsyncGenerator<string>,
): Readable {
  let takenAt = performance.now();
  async function* watched(): AsyncGenerator<string> {
    for await (const piece of text) {
      yield piece;
      takenAt = performance.now();
    }
  }
  const stream = Readable.from(watched(), { objectMode: false, highWaterMark: 64 * 1024 });
  const timer = setInterval(() => {
    if (performance.now() - takenAt > server.config.EXPORT_STALL_MS)
      stream.destroy(new Error('the reader of the export has stalled'));
    revalidateReader(server, request, reader).then(
      (reads) => {
        if (reads === undefined)
          stream.destroy(new Error('the reader of the export may read no more'));
      },
      () => {},
    );
  }, 500);
  stream.once('close', () => clearInterval(timer));
  // A client that went away before the stream was its answer's would leave it open for ever.
  if (reply.raw.destroyed) stream.destroy();
  reply.raw.once('close', () => stream.destroy());
  return stream;
}

/**
 * `GET /api/audit/export`: the entries that the caller may read and that match, by index, as a stream in constant memory. What it holds is fixed at its start by a
 * signed checkpoint. The event `AUDIT_EXPORTED` is committed before the first byte. Whatever fails on the way cuts the connection: an
 * export that ends is whole.
 */
export function exportLogsRoute(server: AuditContext): void {
  const { app, recordFor, tree, config } = server;
  const gate = createGate(config.EXPORT_CONCURRENCY);
  app.route({
    method: 'GET',
    url: '/api/audit/export',
    exposeHeadRoute: false,
    schema: { querystring: querySchema },
    config: { operation: 'audit.export', access: { permission: 'audit:read-own', viewer: true } },
    handler: async (request, reply): Promise<FastifyReply> => {
      const { query } = request;
      const reader = readerOf(request, query.scope);
      const visibility = visibilityOf(reader);
      const given = pickFilter(query);
      const log = await createLogQuery(server, visibility, given);
      if (query.cursor !== undefined && query.after !== undefined)
        throw new FilterInvalid('cursor and after exclude each other');
      const binding = cursorBinding({
        order: 'log',
        reader: readerIdentity(reader),
        filter: given,
      });
      const cursor =
        query.cursor === undefined ? undefined : decodeExportCursor(query.cursor, binding);
      const leave = gate.enter();
      if (!leave) throw new ExportCapacity();
      try {
        const checkpoint = await tree.latestCheckpoint();
        if (!checkpoint) throw new CheckpointMissing();
        // The parts of one export are of one view of the log, though each is proven in the newest tree.
        const size = cursor?.size ?? checkpoint.size;
        if (size > checkpoint.size) throw new CursorInvalid();
        const after = cursor?.index ?? query.after ?? null;
        await recordFor(request, {
          id: derivedEventId(request.id, request.startedAtMs),
          action: 'AUDIT_EXPORTED',
          metadata: {
            format: query.format,
            filter: filterInEvent(given),
            scope: SCOPES[reader.kind],
            size,
            after,
            limit: query.limit ?? null,
          },
        });
        const { concerning, within } = visibility;
        // What lies in the bucket is left out, and an export says what it leaves out.
        const archived = await listArchivedMonths(server.db);
        const narrowed = {
          ...given,
          ...within,
          ...(concerning !== undefined && { concerning }),
          ...(archived.length > 0 && { without_archived: archived }),
        };
        const start = {
          checkpoint,
          filter: Object.keys(narrowed).length === 0 ? null : narrowed,
          after,
          tree,
        };
        const rows = streamRows(server, log, {
          from: after === null ? 0 : after + 1,
          to: size,
          limit: query.limit ?? Number.MAX_SAFE_INTEGER,
        });
        const format = formats[query.format];
        const stream = streamOf(
          server,
          request,
          reply,
          reader,
          format.write(start, rows, (index) => encodeExportCursor({ size, index }, binding)),
        );
        stream.once('close', leave);
        return reply
          .type(format.mediaType)
          .header('content-disposition', `attachment; filename="audit-${size}.${format.extension}"`)
          .header('muniment-tree-size', String(size))
          .send(stream);
      } catch (error) {
        leave();
        throw error;
      }
    },
  });
}
