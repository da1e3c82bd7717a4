import { Type, type Static } from 'typebox';
import { dateTime, nullable, uuid } from '@muniment/server';

const holeSchema = Type.Object({
  from: Type.Integer(),
  to: Type.Integer(),
  first_seen: dateTime,
  age_seconds: Type.Number(),
  in_outbox: Type.Integer({
    description: 'How many of these numbers the outbox still holds and will send again.',
  }),
});

const declaredSchema = Type.Object({
  from: Type.Integer(),
  to: Type.Integer(),
  event_id: uuid,
  declared_at: dateTime,
});

const laneSchema = Type.Object({
  lane: Type.Integer(),
  watermark: Type.Integer({ description: 'All numbers up to this one are stored.' }),
  assigned: Type.Integer({ description: 'The highest number that the source has given.' }),
  missing: Type.Integer({ description: 'Numbers that were given and are not stored.' }),
  duplicates: Type.Integer({
    description: 'Records dismissed because their event was stored already.',
  }),
  holes: Type.Array(holeSchema),
  declared_lost: Type.Array(declaredSchema, {
    description:
      'Numbers that count as stored and are not in the log: an operator has given them up.',
  }),
});

const sourceSchema = Type.Object({
  source: Type.String(),
  assigned: Type.Integer(),
  missing: Type.Integer(),
  duplicates: Type.Integer(),
  outbox: nullable(Type.Object({ rows: Type.Integer(), oldest_seconds: Type.Number() })),
  lanes: Type.Array(laneSchema),
});

const shardSchema = Type.Object({
  shard_id: Type.String(),
  holder: nullable(Type.String()),
  lag_ms: nullable(Type.Integer()),
  read_at: nullable(dateTime),
  unread_seconds: nullable(Type.Number()),
  readable: Type.Boolean(),
});

const streamSchema = Type.Object({
  name: Type.String(),
  lag_ms: nullable(Type.Integer()),
  shards: Type.Array(shardSchema),
  losses: Type.Array(
    Type.Object({ kind: Type.String(), shard_id: nullable(Type.String()), noticed_at: dateTime }),
  ),
});

const quarantineSchema = Type.Object({
  records: Type.Integer(),
  events_missing: Type.Integer({
    description:
      'Counted as received and not in the log: the trail lacks these until they are replayed.',
  }),
  last_received_at: nullable(dateTime),
});

const reconciliationSchema = Type.Object({
  checked_until: nullable(dateTime),
  swept_at: nullable(dateTime),
  unverifiable_rows: Type.Integer(),
  differences: Type.Array(
    Type.Object({
      kind: Type.String(),
      row_type: Type.String(),
      row_id: Type.String(),
      first_seen: dateTime,
    }),
  ),
});

const logSchema = Type.Object({
  last_index: nullable(Type.Integer({ description: 'The last index that the log has given.' })),
  unsealed: Type.Integer({ description: 'Numbers that are stored and not sealed.' }),
  oldest_unsealed_seconds: Type.Number(),
  checkpoint: nullable(Type.Object({ size: Type.Integer(), created_at: dateTime })),
});

/** How complete the trail is. */
export const trailStateSchema = Type.Object({
  checked_at: dateTime,
  sources: Type.Array(sourceSchema),
  stream: streamSchema,
  quarantine: quarantineSchema,
  reconciliation: reconciliationSchema,
  log: logSchema,
});

export type TrailState = Static<typeof trailStateSchema>;
