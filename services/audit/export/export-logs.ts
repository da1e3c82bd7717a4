import type { FastifyReply } from 'fastify';
import { Type, type Static } from 'typebox';
import {
  createWatchedStream,
  CursorInvalid,
  defineRoute,
  ExportCapacity,
  rawBody,
  strictObject,
} from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { CheckpointMissing, FilterInvalid, TooManyExports } from '../errors.ts';
import { filterProperties, pickFilter, scopeProperty } from '../trail/filter.ts';
import { cursorBinding, decodeExportCursor } from '../trail/cursor.ts';
import { createLogQuery } from '../trail/log-query.ts';
import { readerOf, type Reader } from '../trail/readers/reader.ts';
import { revalidateReader } from '../trail/readers/revalidate-reader.ts';
import { readerIdentity, visibilityOf } from '../trail/readers/visibility.ts';
import { createExportSlots } from './export-slots.ts';
import { formats } from './formats.ts';
import { startExport, type WantedExport } from './start-export.ts';

const formatSchema = Type.Union(
  [Type.Literal('ndjson'), Type.Literal('csv'), Type.Literal('cloudevents'), Type.Literal('ocsf')],
  { default: 'ndjson' },
);
const index = (minimum: number, description: string) =>
  Type.Optional(Type.Integer({ minimum, maximum: Number.MAX_SAFE_INTEGER, description }));
const querySchema = strictObject({
  ...filterProperties,
  format: formatSchema,
  ...scopeProperty,
  after: index(0, 'Goes on behind the row of this index.'),
  limit: index(1, 'Most rows of this part; absent: all.'),
  cursor: Type.Optional(
    Type.String({
      maxLength: 100,
      description: 'The next_cursor of the part before, as ndjson ends with it.',
    }),
  ),
});

const mediaTypes = new Set(Object.values(formats).map(({ mediaType }) => mediaType));

type ExportContext = Pick<
  AuditContext,
  'data' | 'auth' | 'audit' | 'crypto' | 'config' | 'searchTerms' | 'tree' | 'isViewerTokenValid'
>;

/**
 * Streams the matching entries by index, in constant memory. A signed checkpoint fixes the
 * contents at the start. A failure cuts the connection, so an export that ends is whole.
 */
export const exportLogs = defineRoute({
  method: 'GET',
  url: '/api/audit/export',
  operation: 'export.export_logs',
  summary: 'Export the entries of the trail that the caller may read.',
  access: { permission: 'audit:read-own', viewer: true },
  query: querySchema,
  response: { 200: rawBody('The entries in the wanted format.', ...mediaTypes) },
  sends: { 200: ['Content-Disposition', 'Muniment-Tree-Size'] },
  errors: [FilterInvalid, CursorInvalid, ExportCapacity, TooManyExports, CheckpointMissing],
  preconditions: 'path',
  options: { exposeHeadRoute: false },
  handler: (context: ExportContext) => {
    const { config } = context;
    const slots = createExportSlots({
      max: config.EXPORT_CONCURRENCY,
      maxPerOwner: config.EXPORT_MAX_PER_READER,
    });
    return async (request, reply): Promise<FastifyReply> => {
      const reader = readerOf(request, request.query.scope);
      const wanted = await parseQuery(context, request.query, reader);
      const slot = slots.acquire(ownerOf(reader));
      try {
        const { text, size } = await startExport(context, request, wanted);
        const { stream, ...running } = createWatchedStream(text, {
          reply,
          stallMs: config.EXPORT_STALL_MS,
          minBytesPerSecond: config.EXPORT_MIN_BYTES_PER_S,
          mayRead: async () => (await revalidateReader(context, request, reader)) !== undefined,
        });
        slot.run(running);
        stream.once('close', slot.release);
        const { mediaType, extension } = formats[wanted.format];
        return reply
          .type(mediaType)
          .header('content-disposition', `attachment; filename="audit-${size}.${extension}"`)
          .header('muniment-tree-size', String(size))
          .send(stream);
      } catch (error) {
        slot.release();
        throw error;
      }
    };
  },
});

/** A tenant's viewers share their places: each of its tokens is made by the same customer. */
const ownerOf = (reader: Reader): string =>
  reader.kind === 'viewer' ? `tenant:${reader.tenantId}` : `user:${reader.userId}`;

/** @throws FilterInvalid, CursorInvalid */
async function parseQuery(
  { searchTerms }: Pick<AuditContext, 'searchTerms'>,
  query: Static<typeof querySchema>,
  reader: Reader,
): Promise<WantedExport> {
  const filter = pickFilter(query);
  const log = await createLogQuery(searchTerms, visibilityOf(reader), filter);
  const { format, cursor, after, limit } = query;
  if (cursor !== undefined && after !== undefined)
    throw new FilterInvalid('Send either cursor or after.');
  const binding = cursorBinding({ order: 'log', reader: readerIdentity(reader), filter });
  const position = cursor === undefined ? undefined : decodeExportCursor(cursor, binding);
  return { format, filter, reader, log, binding, cursor: position, after, limit };
}
