import { sql, type Kysely } from 'kysely';
import type { Tables } from '../tables.ts';
import { missingOf } from './hole-queries.ts';

export interface LaneState {
  source: string;
  lane: number;
  /** All numbers up to this one are stored. */
  watermark: number;
  /** The highest number that the producer has assigned. */
  assigned: number;
  duplicates: number;
  /** How many assigned numbers are not stored. */
  missing: number;
}

/** Both sides of every lane in one snapshot: the numbers assigned, and those stored. */
export async function listLanes(db: Kysely<Tables>): Promise<LaneState[]> {
  const { rows } = await sql<LaneState>`
    select l.source, l.lane, l.watermark, coalesce(a.last_seq, 0) as assigned, l.duplicates,
      (select coalesce(sum(upper(r) - lower(r)), 0)::int8 from unnest(${missingOf}) r) as missing
    from audit.lanes l left join shared.assigned_sequences a using (source, lane)
    order by l.source, l.lane`.execute(db);
  return rows;
}

export interface OutboxState {
  source: string;
  /** 100001 stands for more than 100000. */
  rows: number;
  oldest_seconds: number;
}

/** Events that were acknowledged and are not yet known to be stored. */
export async function listOutboxes(db: Kysely<Tables>): Promise<OutboxState[]> {
  const { rows } = await sql<OutboxState>`
    select source, rows,
      coalesce(greatest(extract(epoch from clock_timestamp() - oldest_at), 0), 0)::float8
        as oldest_seconds
    from shared.outbox_backlogs order by source`.execute(db);
  return rows;
}

export interface ShardState {
  shard_id: string;
  /** The replica that reads it; null while none does. */
  holder: string | null;
  lag_ms: number | null;
  read_at: Date | null;
  unread_seconds: number | null;
  /** False until all of its parents have been read to their end. */
  readable: boolean;
}

/** The shards of the newest stream that are not read to their end. */
export async function listShardStates(db: Kysely<Tables>, stream: string): Promise<ShardState[]> {
  const { rows } = await sql<ShardState>`
    select s.shard_id,
      case when s.expires_at > clock_timestamp() then split_part(s.owner, '/', 1) end as holder,
      s.lag_ms, s.read_at,
      extract(epoch from clock_timestamp() - s.read_at)::float8 as unread_seconds,
      not exists (
        select from audit.shards p
        where p.stream = s.stream and p.stream_created = s.stream_created
          and p.shard_id = any(s.parent_ids) and not p.ended) as readable
    from audit.shards s
    where s.stream = ${stream} and not s.ended
      and s.stream_created = (
        select max(stream_created) from audit.shards where stream = ${stream})
    order by s.shard_id`.execute(db);
  return rows;
}

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

/** What the stream has lost lately, newest first. */
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
