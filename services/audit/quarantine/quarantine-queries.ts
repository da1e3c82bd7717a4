import { sql, type Kysely, type Transaction } from 'kysely';
import type { AuditEvent } from '@muniment/audit-events';
import type { QuarantineReason, Tables } from '../tables.ts';

export interface QuarantineEntry {
  sequenceNumber: string;
  /** Its beginning, at most `MAX_KEPT_BYTES`. */
  data: Uint8Array;
  /** Bytes it had. */
  size: number;
  reason: QuarantineReason;
  detail: string;
  /** What it decodes as. */
  event?: AuditEvent | undefined;
  counted: boolean;
}

const MAX_DETAIL_CHARACTERS = 500;
// What is longer can be no event. Whoever may write into the stream must not be able to fill the database by the megabyte.
export const MAX_KEPT_BYTES = 32 * 1024;

/** As it is stored; `keepQuarantined` makes these. */
export interface KeptEntry extends QuarantineEntry {
  /** The key of the day under which `data` is encrypted. */
  keyId: string | null;
  /** Ids that stand in the bytes. */
  mentions: readonly string[];
}

/** Keeps what is no entry of the trail, with its bytes and the reason, for somebody to look at. */
export async function insertQuarantined(
  trx: Transaction<Tables>,
  stream: string,
  shardId: string,
  entries: readonly KeptEntry[],
): Promise<void> {
  const of = <Value>(pick: (entry: KeptEntry) => Value): Value[] => entries.map(pick);
  await sql`
    insert into audit.quarantine (stream, shard_id, sequence_number, reason, detail, data, size, counted, source, lane, seq, event_id, key_id, mentions)
    select ${stream}, ${shardId}, q.sequence_number, q.reason, q.detail, q.data, q.size, q.counted, q.source, q.lane, q.seq, q.event_id, q.key_id, string_to_array(q.mentions, ',')::uuid[]
    from unnest(
      ${of(({ sequenceNumber }) => sequenceNumber)}::text[], ${of(({ reason }) => reason)}::text[],
      ${of(({ detail }) => detail.toWellFormed().replaceAll('\0', '').slice(0, MAX_DETAIL_CHARACTERS))}::text[],
      ${of(({ data }) => Buffer.from(data))}::bytea[], ${of(({ size }) => size)}::int[],
      ${of(({ counted }) => counted)}::boolean[], ${of(({ event }) => event?.source ?? null)}::text[], ${of(({ event }) => event?.lane ?? null)}::smallint[],
      ${of(({ event }) => event?.seq ?? null)}::bigint[], ${of(({ event }) => event?.id ?? null)}::uuid[],
      ${of(({ keyId }) => keyId)}::uuid[], ${of(({ mentions }) => mentions.join(','))}::text[])
      as q(sequence_number, reason, detail, data, size, counted, source, lane, seq, event_id, key_id, mentions)
    on conflict do nothing`.execute(trx);
}

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
  /** As stored; `openQuarantined` gives the bytes. */
  data: Buffer;
  key_id: string | null;
  replayed_at: Date | null;
  replayed_by: string | null;
  outcome: 'stored' | 'known' | null;
  replayed_event_id: string | null;
}

const entries = (db: Kysely<Tables>) =>
  db
    .selectFrom('audit.quarantine as q')
    .leftJoin('audit.quarantine_replays as r', 'r.quarantine_id', 'q.id')
    .select([
      'q.id',
      'q.reason',
      'q.detail',
      'q.stream',
      'q.shard_id',
      'q.sequence_number',
      'q.received_at',
      'q.size',
      'q.counted',
      'q.source',
      'q.lane',
      'q.seq',
      'q.event_id',
      'q.data',
      'q.key_id',
      'r.replayed_at',
      'r.replayed_by',
      'r.outcome',
      'r.event_id as replayed_event_id',
    ]);

/** Quarantined records, newest first. @param before id of the last one of the page before */
export async function listQuarantined(
  db: Kysely<Tables>,
  {
    limit,
    before,
    reason,
    open,
  }: {
    limit: number;
    before: string | undefined;
    reason: QuarantineReason | undefined;
    open: boolean | undefined;
  },
): Promise<QuarantinedEntry[]> {
  return entries(db)
    .$if(before !== undefined, (query) => query.where('q.id', '<', before ?? ''))
    .$if(reason !== undefined, (query) => query.where('q.reason', '=', reason ?? 'unreadable'))
    .$if(open !== undefined, (query) =>
      query.where('r.quarantine_id', open ? 'is' : 'is not', null),
    )
    .orderBy('q.id', 'desc')
    .limit(limit)
    .execute();
}

export async function findQuarantined(
  db: Kysely<Tables>,
  id: string,
): Promise<QuarantinedEntry | undefined> {
  return entries(db).where('q.id', '=', id).executeTakeFirst();
}

/** Notes that the record is in the log now. @returns false when that was noted before, by whoever came first */
export async function insertReplay(
  trx: Transaction<Tables>,
  replay: { quarantineId: string; eventId: string; outcome: 'stored' | 'known'; by: string },
): Promise<boolean> {
  const result = await trx
    .insertInto('audit.quarantine_replays')
    .values({
      quarantine_id: replay.quarantineId,
      event_id: replay.eventId,
      outcome: replay.outcome,
      replayed_by: replay.by,
    })
    .onConflict((conflict) => conflict.column('quarantine_id').doNothing())
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

export interface QuarantineState {
  records: number;
  /** Counted as received and not in the log: the trail lacks these. */
  events_missing: number;
  last_received_at: Date | null;
}

/** How much is in quarantine. What an erasure has emptied cannot be replayed, and is missed no more. Records that any holder of the stream can put there are counted to a bound. */
export async function readQuarantine(db: Kysely<Tables>): Promise<QuarantineState> {
  const { rows } = await sql<QuarantineState>`
    select (select count(*) from (select from audit.quarantine limit 100001) counted) as records,
      (select count(*) from audit.quarantine q where q.counted and q.data <> '' and not exists (select from audit.quarantine_replays r where r.quarantine_id = q.id)) as events_missing,
      (select received_at from audit.quarantine order by id desc limit 1) as last_received_at`.execute(
    db,
  );
  return rows[0] ?? { records: 0, events_missing: 0, last_received_at: null };
}
