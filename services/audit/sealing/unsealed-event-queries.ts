import { sql, type Kysely, type Transaction } from 'kysely';
import type { Tables } from '../tables.ts';
import type { LaneNews } from './seal-lane-queries.ts';

export interface UnsealedEvent {
  id: string;
  source: string;
  lane: number;
  seq: number;
  /** Of the record (RFC 6962 §2.1). */
  leaf_hash: Buffer;
}

// Hashed in PostgreSQL: 32 bytes come over the wire instead of up to 16 KiB, and another core
// hashes.
const leafHash = sql.raw(`sha256('\\x00'::bytea || convert_to(record, 'UTF8')) as leaf_hash`);

/**
 * The lanes' events after `sealed_seq` up to `watermark`, lane by lane in order. Quarantined
 * numbers have none.
 * @param perLane at least each lane's count; it keeps PostgreSQL at the lane's index instead of the
 * whole log
 */
export async function listUnsealedEvents(
  trx: Transaction<Tables>,
  lanes: readonly LaneNews[],
  perLane: number,
): Promise<UnsealedEvent[]> {
  const { rows } = await sql<UnsealedEvent>`
    select e.id, n.source, n.lane, e.seq, e.leaf_hash
    from unnest(
      ${lanes.map(({ source }) => source)}::text[], ${lanes.map(({ lane }) => lane)}::smallint[],
      ${lanes.map((lane) => lane.sealed_seq)}::bigint[],
      ${lanes.map(({ watermark }) => watermark)}::bigint[])
        with ordinality as n(source, lane, after, upto, position)
    cross join lateral (
      select id, seq, ${leafHash} from audit.events
      where source = n.source and lane = n.lane and seq > n.after and seq <= n.upto
      order by seq limit ${perLane}) e
    order by n.position, e.seq`.execute(trx);
  return rows;
}

/**
 * Removes and returns events that came after their lane was sealed past them. Events before the
 * lane's cursor are left to the lane: sealing them twice would stop the sealer for ever.
 */
export async function consumeLateEvents(
  trx: Transaction<Tables>,
  limit: number,
): Promise<UnsealedEvent[]> {
  const { rows } = await sql<UnsealedEvent>`
    with taken as (
      delete from audit.seal_late
      where event_id in (select event_id from audit.seal_late order by event_id limit ${limit})
      returning event_id
    )
    select id, source, lane, seq, ${leafHash} from audit.events
    join audit.seal_lanes using (source, lane)
    where id in (select event_id from taken) and seq <= sealed_seq 
      and not exists (select from audit.sealed where event_id = id)
    order by source, lane, seq`.execute(trx);
  return rows;
}

/** Queues an event that was stored after its lane may have been sealed past it. */
export async function insertLateEvent(trx: Transaction<Tables>, eventId: string): Promise<void> {
  await sql`
    insert into audit.seal_late (event_id) values (${eventId}) on conflict do nothing`.execute(trx);
}

export async function hasLateEvents(db: Kysely<Tables>): Promise<boolean> {
  const { rows } = await sql<{
    late: boolean;
  }>`select exists (select from audit.seal_late) as late`.execute(db);
  return rows[0]?.late === true;
}

/** When the oldest unsealed event happened. */
export async function findOldestUnsealed(
  db: Kysely<Tables>,
  lanes: readonly LaneNews[],
): Promise<Date | undefined> {
  const { rows } = await sql<{ oldest: Date | null }>`
    select min(e.timestamp) as oldest
    from unnest(${lanes.map(({ source }) => source)}::text[],
      ${lanes.map(({ lane }) => lane)}::smallint[],
      ${lanes.map((lane) => lane.sealed_seq)}::bigint[]) as n(source, lane, after)
    cross join lateral (
      select timestamp from audit.events
      where source = n.source and lane = n.lane and seq > n.after
      order by seq limit 1) e`.execute(db);
  return rows[0]?.oldest ?? undefined;
}
