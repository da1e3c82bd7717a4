import { Type, type Static } from 'typebox';
import { decodeRecord } from '@muniment/audit-events';
import { dateTime, nullable, uuid } from '@muniment/server';
import type { QuarantinedEntry } from './quarantine-queries.ts';

const SHOWN_BYTES = 1_024;

const nullableText = nullable(Type.String());

const previewSchema = Type.Object({
  id: Type.String(),
  source: Type.String(),
  lane: Type.Integer(),
  seq: Type.Integer(),
  version: Type.Integer(),
  action: Type.String(),
  outcome: Type.String(),
  timestamp: Type.String(),
  user_id: nullableText,
  resource: nullableText,
  resource_type: nullableText,
  request_id: Type.String(),
});

/** A quarantined record as the API shows it. */
export const entrySchema = Type.Object({
  id: uuid,
  reason: Type.String(),
  detail: Type.String(),
  stream: Type.String(),
  shard_id: Type.String(),
  sequence_number: Type.String(),
  received_at: dateTime,
  size: Type.Integer(),
  counted: Type.Boolean({
    description: 'Its number counts as received: the trail lacks this event until a replay.',
  }),
  bytes: Type.String({ description: 'The beginning of the record, base64.' }),
  truncated: Type.Boolean(),
  event: nullable(previewSchema),
  replay: nullable(
    Type.Object({ outcome: Type.String(), replayed_at: dateTime, replayed_by: nullableText }),
  ),
});

/** @param entry with its bytes decrypted */
export function toEntryResource(entry: QuarantinedEntry): Static<typeof entrySchema> {
  const { id, reason, detail, stream, shard_id, sequence_number, size, counted, data } = entry;
  const { outcome, replayed_at: replayedAt, replayed_by } = entry;
  return {
    id,
    reason,
    detail,
    stream,
    shard_id,
    sequence_number,
    received_at: entry.received_at.toISOString(),
    size,
    counted,
    bytes: data.subarray(0, SHOWN_BYTES).toString('base64'),
    truncated: size > SHOWN_BYTES,
    event: toPreview(entry),
    replay:
      outcome && replayedAt
        ? { outcome, replayed_at: replayedAt.toISOString(), replayed_by }
        : null,
  };
}

/** The decoded event without values that may be personal. */
function toPreview({ size, data }: QuarantinedEntry): Static<typeof previewSchema> | null {
  const decoded = size > data.length ? undefined : decodeRecord(data);
  if (!decoded || 'fault' in decoded) return null;
  const { id, source, lane, seq, version, action, outcome } = decoded.event;
  const { timestamp, user_id, resource, resource_type, request_id } = decoded.event;
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

/** A replay as the API shows it. */
export const replaySchema = Type.Object({
  id: uuid,
  event_id: uuid,
  outcome: Type.Union([Type.Literal('stored'), Type.Literal('known')], {
    description: 'known: the log had the event already.',
  }),
  replayed_at: dateTime,
});
export type Replay = Static<typeof replaySchema>;

/** @returns undefined for an entry that was not replayed */
export function toReplayResource(entry: QuarantinedEntry): Replay | undefined {
  const { id, replayed_event_id: eventId, outcome, replayed_at: replayedAt } = entry;
  if (!eventId || !outcome || !replayedAt) return undefined;
  return { id, event_id: eventId, outcome, replayed_at: replayedAt.toISOString() };
}
