import { sql, type Kysely, type Transaction } from 'kysely';
import type { AuditEvent } from '@muniment/audit-events';
import type { QuarantineReason, Tables } from '../tables.ts';

export type ReplayOutcome = 'stored' | 'known';

export interface QuarantineEntry {
  sequenceNumber: string;
  /** The record's first `MAX_STORED_BYTES`. */
  data: Uint8Array;
  /** Bytes of the whole record. */
  size: number;
  reason: QuarantineReason;
  detail: string;
  /** The decoded event. */
  event?: AuditEvent | undefined;
  /** Its number counts as received. */
  counted: boolean;
}

const MAX_DETAIL_LENGTH = 500;
/** No event is longer. A writer to the stream must not fill the database by the megabyte. */
export const MAX_STORED_BYTES = 32 * 1024;

/** An entry with its bytes encrypted; `saveQuarantined` makes these. */
export interface NewEntry extends QuarantineEntry {
  /** The key of the day that encrypts `data`. */
  keyId: string | null;
  /** Ids in the bytes. */
  mentions: readonly string[];
}

export async function insertQuarantined(
  trx: Transaction<Tables>,
  { stream, shardId }: { stream: string; shardId: string },
  entries: readonly NewEntry[],
): Promise<void> {
  const column = <Value>(read: (entry: NewEntry) => Value): Value[] => entries.map(read);
  await sql`
    insert into audit.quarantine (stream, shard_id, sequence_number, reason, detail, data, size,
      counted, source, lane, seq, event_id, key_id, mentions)
    select ${stream}, ${shardId}, q.sequence_number, q.reason, q.detail, q.data, q.size,
      q.counted, q.source, q.lane, q.seq, q.event_id, q.key_id,
      string_to_array(q.mentions, ',')::uuid[]
    from unnest(
      ${column(({ sequenceNumber }) => sequenceNumber)}::text[],
      ${column(({ reason }) => reason)}::text[],
      ${column(({ detail }) => toStorableText(detail))}::text[],
      ${column(({ data }) => Buffer.from(data))}::bytea[],
      ${column(({ size }) => size)}::int[],
      ${column(({ counted }) => counted)}::boolean[],
      ${column(({ event }) => event?.source ?? null)}::text[],
      ${column(({ event }) => event?.lane ?? null)}::smallint[],
      ${column(({ event }) => event?.seq ?? null)}::bigint[],
      ${column(({ event }) => event?.id ?? null)}::uuid[],
      ${column(({ keyId }) => keyId)}::uuid[],
      ${column(({ mentions }) => mentions.join(','))}::text[])
      as q(sequence_number, reason, detail, data, size,
        counted, source, lane, seq, event_id, key_id, mentions)
    on conflict do nothing`.execute(trx);
}

const toStorableText = (text: string): string =>
  text.toWellFormed().replaceAll('\0', '').slice(0, MAX_DETAIL_LENGTH);

export interface QuarantinedEntry {
  id: string;
  reason: QuarantineReason;
  detail: string;
  stream: string;
  shard_id: string;
  sequence_number: string;
  received_at: Date;
  size: number;
  counted: boolean;
  source: string | null;
  lane: number | null;
  seq: number | null;
  event_id: string | null;
  /** As stored; `decryptRecords` returns the bytes. */
  data: Buffer;
  key_id: string | null;
  replayed_at: Date | null;
  replayed_by: string | null;
  outcome: ReplayOutcome | null;
  replayed_event_id: string | null;
}

const selectEntries = (db: Kysely<Tables>) =>
  db
    .selectFrom('audit.quarantine as q')
    .leftJoin('audit.quarantine_replays as r', 'r.quarantine_id', 'q.id')
    .select(['q.id', 'q.reason', 'q.detail', 'q.stream', 'q.shard_id', 'q.sequence_number'])
    .select(['q.received_at', 'q.size', 'q.counted', 'q.source', 'q.lane', 'q.seq', 'q.event_id'])
    .select(['q.data', 'q.key_id'])
    .select(['r.replayed_at', 'r.replayed_by', 'r.outcome', 'r.event_id as replayed_event_id']);

export interface QuarantinePage {
  limit: number;
  before: string | undefined;
  reason: QuarantineReason | undefined;
  replayed: boolean | undefined;
}

/** Lists quarantined records, newest first, behind the id `before`. */
export async function listQuarantined(
  db: Kysely<Tables>,
  { limit, before, reason, replayed }: QuarantinePage,
): Promise<QuarantinedEntry[]> {
  return selectEntries(db)
    .$if(before !== undefined, (query) => query.where('q.id', '<', before ?? ''))
    .$if(reason !== undefined, (query) => query.where('q.reason', '=', reason ?? 'unreadable'))
    .$if(replayed !== undefined, (query) =>
      query.where('r.quarantine_id', replayed ? 'is not' : 'is', null),
    )
    .orderBy('q.id', 'desc')
    .limit(limit)
    .execute();
}

export async function findQuarantined(
  db: Kysely<Tables>,
  id: string,
): Promise<QuarantinedEntry | undefined> {
  return selectEntries(db).where('q.id', '=', id).executeTakeFirst();
}

/** Records a replay. @returns false when another replay of the record came first */
export async function insertReplay(
  trx: Transaction<Tables>,
  replay: { quarantineId: string; eventId: string; outcome: ReplayOutcome; userId: string },
): Promise<boolean> {
  const result = await trx
    .insertInto('audit.quarantine_replays')
    .values({
      quarantine_id: replay.quarantineId,
      event_id: replay.eventId,
      outcome: replay.outcome,
      replayed_by: replay.userId,
    })
    .onConflict((conflict) => conflict.column('quarantine_id').doNothing())
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

export interface QuarantineState {
  records: number;
  /** Events that count as received but are not in the log. */
  events_missing: number;
  last_received_at: Date | null;
}

/**
 * Counts the quarantine, up to a bound: any writer to the stream can fill it.
 * Records that an erasure emptied are not missing.
 */
export async function readQuarantine(db: Kysely<Tables>): Promise<QuarantineState> {
  const { rows } = await sql<QuarantineState>`
    select
      (select count(*) from (select from audit.quarantine limit 100001) counted) as records,
      (select count(*) from audit.quarantine q
        where q.counted and q.data <> '' and not exists (
          select from audit.quarantine_replays r where r.quarantine_id = q.id)) as events_missing,
      (select received_at from audit.quarantine order by id desc limit 1)
        as last_received_at`.execute(db);
  return rows[0] ?? { records: 0, events_missing: 0, last_received_at: null };
}
