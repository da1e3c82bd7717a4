import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { principalOf } from '@muniment/security';
import { CursorInvalid, defineRoute, rawBody, strictObject } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { FilterInvalid, StreamCapacity, TooManyStreams } from '../errors.ts';
import { findSealedHead } from '../proofs/sealed-event-queries.ts';
import { filterProperties, pickFilter, scopeProperty } from '../trail/filter.ts';
import { readerOf, type Reader } from '../trail/readers/reader.ts';
import { recordReading } from '../trail/record-reading.ts';
import { revalidateReader } from '../trail/readers/revalidate-reader.ts';
import { followLog } from './follow-log.ts';
import type { OpenStream } from './open-stream.ts';

const POSITION = '^(-1|0|[1-9][0-9]{0,14})$';
const querySchema = strictObject({
  ...filterProperties,
  ...scopeProperty,
  after: Type.Optional(
    Type.String({
      pattern: POSITION,
      description:
        'Begins behind this index; -1: with the first event. Absent: with what comes from now on.',
    }),
  ),
  proof: Type.Optional(
    Type.Boolean({
      description:
        'Sends the rows and gaps of an export, each once it is signed, for audit-verify to check.',
    }),
  ),
});

type StreamContext = Pick<
  AuditContext,
  'data' | 'auth' | 'audit' | 'config' | 'streams' | 'tree' | 'isViewerTokenValid'
>;

/** Server-sent events (WHATWG HTML). `Last-Event-ID` resumes them at any replica. */
export const streamLogs = defineRoute({
  method: 'GET',
  url: '/api/audit/stream',
  operation: 'live.stream_logs',
  summary: 'Stream the entries of the trail as they are sealed.',
  access: { permission: 'audit:read-own', viewer: true },
  query: querySchema,
  headers: Type.Object({ 'last-event-id': Type.Optional(Type.String({ maxLength: 20 })) }),
  response: {
    200: rawBody(
      'Server-sent events: audit, checkpoint and end, and with proof also opening and gap.',
      'text/event-stream',
    ),
  },
  errors: [FilterInvalid, CursorInvalid, StreamCapacity, TooManyStreams],
  preconditions: 'path',
  // Fastify's route for HEAD would read the endless stream.
  options: { exposeHeadRoute: false },
  handler: (context: StreamContext) => async (request, reply) => {
    const { query } = request;
    const { audit, config, streams } = context;
    const { proof = false } = query;
    const reader = readerOf(request, query.scope);
    const filter = pickFilter(query);
    // A reconnecting reader repeats its URL, so the id of its last event is the later position.
    const position = request.headers['last-event-id'] || query.after;
    const start = await findStart(context, position, proof);
    const feed = await streams.feed({ reader, filter, start, proof });
    const opening = await feed.format.open();
    const stream = openStream(context, { request, reply, reader });
    await recordReading(audit.record, request, { reader, filter });
    reply.type('text/event-stream; charset=utf-8');
    const options = { start, opening, heartbeatMs: config.STREAM_HEARTBEAT_MS };
    return Readable.from(followLog(stream, feed, options), { objectMode: false });
  },
});

/** @throws CursorInvalid for a position that no stream has sent */
async function findStart(
  { data: { db }, tree }: Pick<AuditContext, 'data' | 'tree'>,
  position: string | undefined,
  proof: boolean,
): Promise<number> {
  // Proven from the first event on: what comes now is behind the newest signed head.
  if (position === undefined && proof) return ((await tree.latestCheckpoint())?.size ?? 0) - 1;
  if (position === undefined) return findSealedHead(db);
  if (!new RegExp(POSITION).test(position) || Number(position) > (await findSealedHead(db)))
    throw new CursorInvalid();
  return Number(position);
}

function openStream(
  context: StreamContext,
  { request, reply, reader }: { request: FastifyRequest; reply: FastifyReply; reader: Reader },
): OpenStream {
  const stream = context.streams.open({
    owner: reader.kind === 'viewer' ? reader.tokenId : reader.userId,
    expiresAt: (request.viewer ?? principalOf(request)).expiresAt,
    revalidate: () => revalidateReader(context, request, reader),
    destroy: () => reply.raw.destroy(),
  });
  reply.raw.once('close', () => stream.close('gone'));
  // The client may have gone before its answer began.
  if (reply.raw.destroyed) stream.close('gone');
  return stream;
}
