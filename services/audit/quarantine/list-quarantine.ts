import { Type, type Static } from 'typebox';
import { decodeRecord } from '@muniment/audit-events';
import type { AuditContext } from '../context.ts';
import { decodeIdCursor, encodeIdCursor } from '../trail/cursor.ts';
import { listQuarantined, type QuarantinedEntry } from './quarantine-queries.ts';
import { openQuarantined } from './encrypt-records.ts';

const SHOWN_BYTES = 1_024;

const querySchema = Type.Object(
  {
    reason: Type.Optional(
      Type.Union(
        (['unreadable', 'forged', 'contradiction', 'refused'] as const).map((reason) =>
          Type.Literal(reason),
        ),
      ),
    ),
    replayed: Type.Optional(
      Type.Union([Type.Literal('true'), Type.Literal('false')], {
        description: 'Only those that were replayed, or only those that were not.',
      }),
    ),
    limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
    cursor: Type.Optional(Type.String({ maxLength: 100 })),
  },
  { additionalProperties: false },
);

const orNull = <Schema extends Parameters<typeof Type.Union>[0][number]>(schema: Schema) =>
  Type.Union([schema, Type.Null()]);
const text = () => orNull(Type.String());

const previewSchema = Type.Object({
  id: Type.String(),
  source: Type.String(),
  lane: Type.Integer(),
  seq: Type.Integer(),
  version: Type.Integer(),
  action: Type.String(),
  outcome: Type.String(),
  timestamp: Type.String(),
  user_id: text(),
  resource: text(),
  resource_type: text(),
  request_id: Type.String(),
});

const entrySchema = Type.Object({
  id: Type.String({ format: 'uuid' }),
  reason: Type.String(),
  detail: Type.String(),
  stream: Type.String(),
  shard_id: Type.String(),
  sequence_number: Type.String(),
  received_at: Type.String({ format: 'date-time' }),
  size: Type.Integer(),
  counted: Type.Boolean({
    description: 'Its number counts as received: the trail lacks this event until it is replayed.',
  }),
  bytes: Type.String({ description: 'The beginning of the record, base64.' }),
  truncated: Type.Boolean(),
  event: orNull(previewSchema),
  replay: orNull(
    Type.Object({
      outcome: Type.String(),
      replayed_at: Type.String({ format: 'date-time' }),
      replayed_by: text(),
    }),
  ),
});

type Query = Static<typeof querySchema>;
type Entry = Static<typeof entrySchema>;

/** What the record decodes as, less everything that could be personal. */
function previewOf(entry: QuarantinedEntry): Static<typeof previewSchema> | null {
  const decoded = entry.size > entry.data.length ? undefined : decodeRecord(entry.data);
  if (!decoded || 'fault' in decoded) return null;
  const {
    id,
    source,
    lane,
    seq,
    version,
    action,
    outcome,
    timestamp,
    user_id,
    resource,
    resource_type,
    request_id,
  } = decoded.event;
  return {
    id,
    source,
    lane,
    seq,
    version,
    action,
    outcome,
    timestamp,
    user_id,
    resource,
    resource_type,
    request_id,
  };
}

function represent(entry: QuarantinedEntry): Entry {
  const {
    id,
    reason,
    detail,
    stream,
    shard_id,
    sequence_number,
    received_at: receivedAt,
    size,
    counted,
    data,
    outcome,
    replayed_at: replayedAt,
    replayed_by,
  } = entry;
  return {
    id,
    reason,
    detail,
    stream,
    shard_id,
    sequence_number,
    received_at: receivedAt.toISOString(),
    size,
    counted,
    bytes: data.subarray(0, SHOWN_BYTES).toString('base64'),
    truncated: size > SHOWN_BYTES,
    event: previewOf(entry),
    replay:
      outcome && replayedAt
        ? { outcome, replayed_at: replayedAt.toISOString(), replayed_by }
        : null,
  };
}

function nextPage(query: Query, lastId: string): string {
  const parameters = new URLSearchParams({
    ...query,
    limit: String(query.limit),
    cursor: encodeIdCursor(lastId),
  });
  return `</api/audit/quarantine?${parameters.toString()}>; rel="next"`;
}

/** `GET /api/audit/quarantine`: records of the stream that are no entry of the trail, newest first, each with its reason. Reading them is an event. */
export function listQuarantineRoute({ app, db, recordFor, subjectKeys }: AuditContext): void {
  app.route({
    method: 'GET',
    url: '/api/audit/quarantine',
    schema: { querystring: querySchema, response: { 200: Type.Array(entrySchema) } },
    config: { operation: 'audit.quarantine', access: { permission: 'audit:operate' } },
    handler: async (request, reply) => {
      const { query } = request;
      const entries = await listQuarantined(db, {
        limit: query.limit + 1,
        before: query.cursor === undefined ? undefined : decodeIdCursor(query.cursor),
        reason: query.reason,
        open: query.replayed === undefined ? undefined : query.replayed === 'false',
      });
      const page = entries.slice(0, query.limit);
      const last = page.at(-1);
      if (last && entries.length > page.length) reply.header('link', nextPage(query, last.id));
      await recordFor(request, {
        action: 'AUDIT_READ',
        resource_type: 'quarantine',
        metadata: { entries: page.length, reason: query.reason ?? null },
      });
      return (await openQuarantined(db, subjectKeys, page)).map(represent);
    },
  });
}
