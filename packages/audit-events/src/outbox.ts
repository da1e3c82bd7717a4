import { sql, type Kysely, type RawBuilder } from 'kysely';
import { lockLease, type Lease } from '@muniment/database';
import type { StreamRecord } from './kinesis.ts';

/**
 * Whether a row waits for its number. One cheap query, where claiming takes four statements ten
 * times a second.
 */
export async function hasUnclaimed<DB>(
  db: Kysely<DB>,
  schema: string,
  fullLanes: readonly number[] = [],
): Promise<boolean> {
  const { rows } = await sql`
    select 1 from ${sql.table(`${schema}.outbox`)}
    where seq is null ${outside(fullLanes)} limit 1`.execute(db);
  return rows.length > 0;
}

const outside = (lanes: readonly number[]): RawBuilder<unknown> =>
  lanes.length === 0 ? sql`` : sql`and lane <> all (${lanes}::smallint[])`;

export interface Claim {
  limit: number;
  /** Lanes whose rows wait. */
  fullLanes?: readonly number[];
}

/**
 * Numbers the oldest visible rows within their lanes, and commits before anything is sent. It
 * selects rows without a `seq`, never `id > last`: a slow transaction's row appears behind later
 * ones. The row locks give each row one number even when two claims run at once.
 * @returns the claimed records in (lane, seq) order; undefined when the lease is lost
 */
export async function claimRows<DB>(
  db: Kysely<DB>,
  lease: Lease,
  { limit, fullLanes = [] }: Claim,
): Promise<StreamRecord[] | undefined> {
  const outbox = sql.table(`${lease.schema}.outbox`);
  const lanes = sql.table(`${lease.schema}.outbox_lanes`);
  return db.transaction().execute(async (trx) => {
    if (!(await lockLease(trx, lease))) return undefined;
    const { rows } = await sql<StreamRecord>`
      with waiting as (
        select position, lane from ${outbox}
        where seq is null ${outside(fullLanes)} order by position limit ${limit} for update
      ), numbered as (
        select position, lane,
          row_number() over (partition by lane order by position) as offset_in_lane
        from waiting
      ), taken as (
        update ${lanes} l set last_seq = l.last_seq + n.rows
        from (select lane, count(*) as rows from numbered group by lane) n
        where l.lane = n.lane
        returning l.lane, l.last_seq - n.rows as base
      ), claimed as (
        update ${outbox} o set seq = t.base + n.offset_in_lane, sent_at = clock_timestamp()
        from numbered n join taken t using (lane)
        where o.position = n.position
        returning o.lane, o.seq, o.head || ',"seq":' || o.seq || ',' || o.tail as text
      )
      select lane, text from claimed order by lane, seq`.execute(trx);
    return rows;
  });
}

/**
 * Claims sent rows that were not stored for `afterMs`, and marks them as sent now.
 * @returns undefined when the lease is lost
 */
export async function claimUnstored<DB>(
  db: Kysely<DB>,
  lease: Lease,
  { source, afterMs, limit }: { source: string; afterMs: number; limit: number },
): Promise<StreamRecord[] | undefined> {
  const outbox = sql.table(`${lease.schema}.outbox`);
  return db.transaction().execute(async (trx) => {
    if (!(await lockLease(trx, lease))) return undefined;
    const { rows } = await sql<StreamRecord>`
      with overdue as (
        select o.position from ${outbox} o
        left join shared.stored_watermarks w on w.source = ${source} and w.lane = o.lane
        where o.seq > coalesce(w.watermark, 0)
          and o.sent_at <= clock_timestamp() - ${afterMs} * interval '1 millisecond'
        order by o.seq limit ${limit}
      ), marked as (
        update ${outbox} o set sent_at = clock_timestamp()
        from overdue where o.position = overdue.position
        returning o.lane, o.seq, o.head || ',"seq":' || o.seq || ',' || o.tail as text
      )
      select lane, text from marked order by lane, seq`.execute(trx);
    return rows;
  });
}

/**
 * Deletes the rows that the audit service has stored: those behind its watermark, never on the
 * stream's word.
 */
export async function deleteStored<DB>(
  db: Kysely<DB>,
  schema: string,
  source: string,
): Promise<LaneRows[]> {
  const { rows } = await sql<LaneRows>`
    with deleted as (
      delete from ${sql.table(`${schema}.outbox`)} o using shared.stored_watermarks w
      where w.source = ${source} and w.lane = o.lane and o.seq <= w.watermark
      returning o.lane
    ) select lane, count(*) as rows from deleted group by lane`.execute(db);
  return rows;
}

/** How many rows of a lane. */
export interface LaneRows {
  lane: number;
  rows: number;
}

/** Counts the rows that have a number and are not known to be stored. */
export async function countUnstored<DB>(db: Kysely<DB>, schema: string): Promise<LaneRows[]> {
  const { rows } = await sql<LaneRows>`
    select lane, count(*) as rows from ${sql.table(`${schema}.outbox`)}
    where seq is not null group by lane`.execute(db);
  return rows;
}

/** A sum of watermarks: it grows while the audit service stores the source's events in order. */
export async function storedProgress<DB>(db: Kysely<DB>, source: string): Promise<number> {
  const { rows } = await sql<{ stored: number }>`
    select coalesce(sum(watermark), 0)::int8 as stored
    from shared.stored_watermarks where source = ${source}`.execute(db);
  return rows[0]?.stored ?? 0;
}

export interface OutboxBacklog {
  /** At most one more than the bound, which then means «more than that». */
  rows: number;
  /** Seconds since the oldest row was written; 0 for an empty outbox. */
  oldestSeconds: number;
}

/**
 * Measures unstored rows. Every replica runs it at every scrape, so the count has a bound and the
 * lowest position counts as oldest.
 */
export async function outboxBacklog<DB>(
  db: Kysely<DB>,
  schema: string,
  countTo = 100_000,
): Promise<OutboxBacklog> {
  const outbox = sql.table(`${schema}.outbox`);
  const { rows } = await sql<{ rows: number; oldest: number | null }>`
    select (select count(*) from (select from ${outbox} limit ${countTo + 1}) as counted) as rows,
      (select extract(epoch from clock_timestamp() - created_at)::float8
       from ${outbox} order by position limit 1) as oldest`.execute(db);
  return { rows: rows[0]?.rows ?? 0, oldestSeconds: rows[0]?.oldest ?? 0 };
}
