import { Readable } from 'node:stream';
import { Type } from 'typebox';
import { principalOf } from '@muniment/security';
import type { AuditContext } from '../context.ts';
import { CursorInvalid } from '@muniment/server';
import { filterProperties, pickFilter } from '../trail/filter.ts';
import { findSealedHead } from '../proofs/sealed-event-queries.ts';
import { readerOf } from '../trail/reader.ts';
import { recordReading } from '../trail/record-reading.ts';
import { revalidateReader } from '../trail/revalidate-reader.ts';
import { followLog } from './follow-log.ts';

const POSITION = '^(-1|0|[1-9][0-9]{0,14})$';
const querySchema = Type.Object(
  {
    ...filterProperties,
    scope: Type.Optional(
      Type.Literal('own', {
        description: 'Only what concerns the caller, for whom may read more.',
      }),
    ),
    after: Type.Optional(
      Type.String({
        pattern: POSITION,
        description:
          'Begins behind this index; -1: with the first event. Absent: with what comes from now on.',
      }),
    ),
  },
  { additionalProperties: false },
);

/**
 * Where a stream begins. A reader that connects again sends the id it got last, and the address it was opened with: the id is the later one.
 * @throws cursor_invalid for an id that no stream has given out
 */
async function startOf(
  lastEventId: string | undefined,
  after: string | undefined,
  head: () => Promise<number>,
): Promise<number> {
  const position = lastEventId || after;
  if (position === undefined) return head();
  if (!new RegExp(POSITION).test(position) || Number(position) > (await head()))
    throw new CursorInvalid();
  return Number(position);
}

/** `GET /api/audit/stream`: server-sent events (WHATWG HTML) of what is sealed, in the order of the log, resumable by `Last-Event-ID` at any replica. */
export function streamLogsRoute(server: AuditContext): void {
  const { app, db, config, streams } = server;
  app.route({
    method: 'GET',
    url: '/api/audit/stream',
    // The route that Fastify would add for HEAD runs this handler and reads the stream that never ends.
    exposeHeadRoute: false,
    schema: {
      querystring: querySchema,
      headers: Type.Object({ 'last-event-id': Type.Optional(Type.String({ maxLength: 20 })) }),
    },
    config: { operation: 'audit.stream', access: { permission: 'audit:read-own', viewer: true } },
    handler: async (request, reply) => {
      const { query } = request;
      const { expiresAt } = request.viewer ?? principalOf(request);
      const reader = readerOf(request, query.scope);
      const filter = pickFilter(query);
      const feed = streams.feed(reader, filter);
      const start = await startOf(request.headers['last-event-id'], query.after, () =>
        findSealedHead(db),
      );
      const stream = streams.open({
        owner: reader.kind === 'viewer' ? reader.tokenId : reader.userId,
        expiresAt,
        revalidate: () => revalidateReader(server, request, reader),
        destroy: () => reply.raw.destroy(),
      });
      reply.raw.once('close', () => stream.close('gone'));
      // Refused meanwhile, or gone before its answer began.
      if (reply.raw.destroyed) stream.close('gone');
      await recordReading(server, request, reader, { filter });
      reply.type('text/event-stream; charset=utf-8');
      return Readable.from(followLog(stream, feed, start, config.STREAM_HEARTBEAT_MS), {
        objectMode: false,
      });
    },
  });
}
