import { sql, type Kysely } from 'kysely';
import type { Tables } from '../tables.ts';

export interface LaneState {
  source: string;
  lane: number;
  /** All numbers up to this one are stored. */
  watermark: number;
  /** The highest number that the producer has given. */
  assigned: number;
  duplicates: number;
  /** How many numbers were given and are not stored. */
  missing: number;
}

/** Both sides of every lane in one snapshot: what its producer has numbered, and what is stored of it. */
export async function listLanes(db: Kysely<Tables>): Promise<LaneState[]> {
  const { rows } = await sql<LaneState>`
    select l.source, l.lane, l.watermark, coalesce(a.last_seq, 0) as assigned, l.duplicates,
      (select coalesce(sum(upper(r) - lower(r)), 0)::int8 from unnest(${missingOf}) r) as missing
    from audit.lanes l left join shared.assigned_sequences a using (source, lane)
    order by l.source, l.lane`.execute(db);
  return rows;
}

// A forged number never reaches `received`, so nothing beyond what was assigned can be missing.
const missingOf = sql`int8multirange(int8range(1, coalesce(a.last_seq, 0) + 1)) - l.received`;
const missingNumbers = sql`
  select l.source, l.lane, ${missingOf} as numbers
  from audit.lanes l join shared.assigned_sequences a using (source, lane)
  where not isempty(${missingOf})`;

export interface Hole {
  source: string;
  lane: number;
  /** First and last number of the range. */
  from: number;
  to: number;
  first_seen: Date;
  age_seconds: number;
  /** How many of them the producer's outbox still holds: those will be sent again. The others exist nowhere any more. */
  in_outbox: number;
}

/** Ranges of numbers that were given and are not stored, oldest first. One that nobody has noted yet is as old as this look. */
export async function listHoles(db: Kysely<Tables>, limit: number): Promise<Hole[]> {
  const { rows } = await sql<Hole>`
    with missing as materialized (${missingNumbers}), dated as (
      select h.source, h.lane, h.first_seen, h.numbers * m.numbers as numbers from audit.holes h join missing m using (source, lane)
      union all
      select m.source, m.lane, statement_timestamp(),
        m.numbers - coalesce((select range_agg(h.numbers) from audit.holes h where h.source = m.source and h.lane = m.lane), '{}')
      from missing m
    ), ranges as (
      select source, lane, first_seen, lower(r) as "from", upper(r) - 1 as "to" from dated, unnest(numbers) r order by first_seen, source, lane, r limit ${limit}
    )
    select r.*, extract(epoch from statement_timestamp() - first_seen)::float8 as age_seconds,
      (select count(*) from shared.outbox_records o where o.source = r.source and o.lane = r.lane and o.seq between r."from" and r."to") as in_outbox
    from ranges r order by first_seen, source, lane, "from"`.execute(db);
  return rows;
}

export interface SavedHole {
  source: string;
  lane: number;
  first_seen: Date;
  numbers: string;
}

/** Notes since when each missing number is missed, and forgets those that have arrived. @returns notes that were reported and are closed now */
export async function saveHoles(db: Kysely<Tables>): Promise<SavedHole[]> {
  const { rows } = await sql<SavedHole>`
    with missing as materialized (${missingNumbers}), closed as (
      delete from audit.holes h
      where not exists (select from missing m where m.source = h.source and m.lane = h.lane and m.numbers && h.numbers)
      returning h.*
    ), narrowed as (
      update audit.holes h set numbers = h.numbers * m.numbers from missing m
      where m.source = h.source and m.lane = h.lane and m.numbers && h.numbers and not h.numbers <@ m.numbers
    ), opened as (
      insert into audit.holes (source, lane, first_seen, numbers)
      select * from (
        select m.source, m.lane, statement_timestamp(),
          m.numbers - coalesce((select range_agg(h.numbers) from audit.holes h where h.source = m.source and h.lane = m.lane), '{}') as numbers
        from missing m) f
      where not isempty(f.numbers)
      on conflict do nothing
    )
    select source, lane, first_seen, numbers::text as numbers from closed where reported`.execute(
    db,
  );
  return rows;
}

/** Marks the notes that are older than `afterMs`. @returns those that were not marked before */
export async function markOldHoles(db: Kysely<Tables>, afterMs: number): Promise<SavedHole[]> {
  const { rows } = await sql<SavedHole>`
    update audit.holes set reported = true
    where not reported and first_seen <= statement_timestamp() - ${afterMs} * interval '1 millisecond'
    returning source, lane, first_seen, numbers::text as numbers`.execute(db);
  return rows;
}

export interface OutboxState {
  source: string;
  /** 100001 says «more than 100000». */
  rows: number;
  oldest_seconds: number;
}

/** What has been acknowledged and is not yet known to be stored. */
export async function listOutboxes(db: Kysely<Tables>): Promise<OutboxState[]> {
  const { rows } = await sql<OutboxState>`
    select source, rows, coalesce(greatest(extract(epoch from clock_timestamp() - oldest_at), 0), 0)::float8 as oldest_seconds
    from shared.outbox_backlogs order by source`.execute(db);
  return rows;
}

export interface ShardState {
  shard_id: string;
  /** The replica that reads it; null while nobody does. */
  holder: string | null;
  lag_ms: number | null;
  read_at: Date | null;
  unread_seconds: number | null;
  /** False while a parent of it has not been read to its end. */
  readable: boolean;
}

/** The shards of the newest stream that are not read to their end. */
export async function listShardStates(db: Kysely<Tables>, stream: string): Promise<ShardState[]> {
  const { rows } = await sql<ShardState>`
    select s.shard_id, case when s.expires_at > clock_timestamp() then split_part(s.owner, '/', 1) end as holder, s.lag_ms, s.read_at,
      extract(epoch from clock_timestamp() - s.read_at)::float8 as unread_seconds,
      not exists (
        select from audit.shards p
        where p.stream = s.stream and p.stream_created = s.stream_created and p.shard_id = any(s.parent_ids) and not p.ended) as readable
    from audit.shards s
    where s.stream = ${stream} and not s.ended and s.stream_created = (select max(stream_created) from audit.shards where stream = ${stream})
    order by s.shard_id`.execute(db);
  return rows;
}

/** The checkpoint that was signed last. */
export async function findNewestCheckpoint(
  db: Kysely<Tables>,
): Promise<{ size: number; created_at: Date } | undefined> {
  return db
    .selectFrom('audit.checkpoints')
    .select(['size', 'created_at'])
    .orderBy('size', 'desc')
    .limit(1)
    .executeTakeFirst();
}

export interface NoticedLoss {
  kind: 'made_anew' | 'shard_trimmed';
  shard_id: string | null;
  noticed_at: Date;
}

/** What the stream has lost of late, newest first. */
export async function listStreamLosses(
  db: Kysely<Tables>,
  stream: string,
  limit: number,
): Promise<NoticedLoss[]> {
  return db
    .selectFrom('audit.stream_losses')
    .select(['kind', 'shard_id', 'noticed_at'])
    .where('stream', '=', stream)
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}
