import { Readable } from 'node:stream';
import { Type } from 'typebox';
import { principalOf, roleMay, type Principal } from '@muniment/security';
import type { AuditServer } from '../audit-server.ts';
import { AuditErrors } from '../errors.ts';
import { sealedHead } from '../queries/sealed-events.ts';
import { findViewerById } from '../queries/viewer-tokens.ts';
import { readerOf, type Reader } from '../reader.ts';
import { followLog } from '../stream/follow-log.ts';

const POSITION = '^(-1|0|[1-9][0-9]{0,14})$';
const querySchema = Type.Object({
  action: Type.Optional(Type.String({ pattern: '^[A-Z][A-Z0-9_]*$', maxLength: 100 })),
  outcome: Type.Optional(Type.Union([Type.Literal('success'), Type.Literal('failure')])),
  resource: Type.Optional(Type.String({ pattern: '^[^\\u0000]+$', maxLength: 500 })),
  after: Type.Optional(Type.String({ pattern: POSITION, description: 'Begins behind this index; -1: with the first event. Absent: with what comes from now on.' })),
}, { additionalProperties: false });

/**
 * Where a stream begins. A reader that connects again sends the id it got last, and the address it was opened with: the id is the later one.
 * @throws cursor_invalid for an id that no stream has given out
 */
async function startOf(lastEventId: string | undefined, after: string | undefined, head: () => Promise<number>): Promise<number> {
  const position = lastEventId || after;
  if (position === undefined) return head();
  if (!new RegExp(POSITION).test(position) || Number(position) > await head()) throw new AuditErrors.CursorInvalid();
  return Number(position);
}

/** `GET /api/audit/stream`: server-sent events (WHATWG HTML) of what is sealed, in the order of the log, resumable by `Last-Event-ID` at any replica. */
export function streamLogsRoute({ app, db, config, sessions, streams, recordFor }: AuditServer): void {
  const stillReads = async (principal: Principal | null, reader: Reader): Promise<boolean> => {
    if (reader.kind === 'viewer') return (await findViewerById(db, reader.tokenId)) !== undefined;
    const session = principal && await sessions.isLive(principal.sessionId, { fresh: true });
    return session?.live === true && session.userId === reader.userId && roleMay(session.role, 'audit:read-all') === (reader.kind === 'all');
  };

  app.route({
    method: 'GET',
    url: '/api/audit/stream',
    // The route that Fastify would add for HEAD runs this handler and reads the stream that never ends.
    exposeHeadRoute: false,
    schema: { querystring: querySchema, headers: Type.Object({ 'last-event-id': Type.Optional(Type.String({ maxLength: 20 })) }) },
    config: { operation: 'audit.stream', access: { permission: 'audit:read-own', viewer: true } },
    handler: async (request, reply) => {
      const { after, ...filter } = request.query;
      const { expiresAt } = request.viewer ?? principalOf(request);
      const reader = readerOf(request);
      const start = await startOf(request.headers['last-event-id'], after, () => sealedHead(db));
      const stream = streams.open({
        owner: reader.kind === 'viewer' ? reader.tokenId : reader.userId,
        expiresAt,
        mayRead: () => stillReads(request.principal, reader),
        destroy: () => reply.raw.destroy(),
      });
      reply.raw.once('close', () => stream.close('gone'));
      // Refused meanwhile, or gone before its answer began.
      if (reply.raw.destroyed) stream.close('gone');
      if (reader.kind === 'all') await recordFor(request, { action: 'AUDIT_READ', metadata: { operation: 'audit.stream', filter, after: start } });
      reply.type('text/event-stream; charset=utf-8');
      return Readable.from(followLog(stream, streams.feed(reader, filter), start, config.STREAM_HEARTBEAT_MS), { objectMode: false });
    },
  });
}
