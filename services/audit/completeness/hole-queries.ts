import { sql, type Kysely } from 'kysely';
import type { Tables } from '../tables.ts';

/**
 * The missing numbers of a lane `l` with its assigned ones `a`. Forged numbers never arrive in it.
 */
export const missingOf = sql`
  int8multirange(int8range(1, coalesce(a.last_seq, 0) + 1)) - l.received`;

const missingNumbers = sql`
  select l.source, l.lane, ${missingOf} as numbers
  from audit.lanes l join shared.assigned_sequences a using (source, lane)
  where not isempty(${missingOf})`;

/** Of missing numbers `m`, those that are not saved as a hole. */
const unsavedNumbers = sql`
  m.numbers - coalesce((
    select range_agg(h.numbers) from audit.holes h
    where h.source = m.source and h.lane = m.lane), '{}')`;

export interface Hole {
  source: string;
  lane: number;
  /** First and last number of the range. */
  from: number;
  to: number;
  first_seen: Date;
  age_seconds: number;
  /** How many the producer's outbox still holds and will send again. The others exist nowhere. */
  in_outbox: number;
}

/** Ranges of assigned numbers that are not stored, oldest first. A hole not yet saved has age 0. */
export async function listHoles(db: Kysely<Tables>, limit: number): Promise<Hole[]> {
  const { rows } = await sql<Hole>`
    with missing as materialized (${missingNumbers}), dated as (
      select h.source, h.lane, h.first_seen, h.numbers * m.numbers as numbers
      from audit.holes h join missing m using (source, lane)
      union all
      select m.source, m.lane, statement_timestamp(), ${unsavedNumbers} from missing m
    ), ranges as (
      select source, lane, first_seen, lower(r) as "from", upper(r) - 1 as "to"
      from dated, unnest(numbers) r order by first_seen, source, lane, r limit ${limit}
    )
    select r.*,
      extract(epoch from statement_timestamp() - first_seen)::float8 as age_seconds,
      (select count(*) from shared.outbox_records o
        where o.source = r.source and o.lane = r.lane
          and o.seq between r."from" and r."to") as in_outbox
    from ranges r order by first_seen, source, lane, "from"`.execute(db);
  return rows;
}

export interface SavedHole {
  source: string;
  lane: number;
  first_seen: Date;
  numbers: string;
}

/**
 * Saves since when each number is missing, and deletes numbers that have arrived.
 * @returns holes that were reported and are closed now
 */
export async function saveHoles(db: Kysely<Tables>): Promise<SavedHole[]> {
  const { rows } = await sql<SavedHole>`
    with missing as materialized (${missingNumbers}), closed as (
      delete from audit.holes h
      where not exists (
        select from missing m
        where m.source = h.source and m.lane = h.lane and m.numbers && h.numbers)
      returning h.*
    ), narrowed as (
      update audit.holes h set numbers = h.numbers * m.numbers from missing m
      where m.source = h.source and m.lane = h.lane
        and m.numbers && h.numbers and not h.numbers <@ m.numbers
    ), opened as (
      insert into audit.holes (source, lane, first_seen, numbers)
      select * from (
        select m.source, m.lane, statement_timestamp(), ${unsavedNumbers} as numbers
        from missing m) f
      where not isempty(f.numbers)
      on conflict do nothing
    )
    select source, lane, first_seen, numbers::text as numbers from closed where reported`.execute(
    db,
  );
  return rows;
}

/** Marks holes older than `afterMs` as reported. @returns those that were not marked before */
export async function markOldHoles(db: Kysely<Tables>, afterMs: number): Promise<SavedHole[]> {
  const { rows } = await sql<SavedHole>`
    update audit.holes set reported = true
    where not reported
      and first_seen <= statement_timestamp() - ${afterMs} * interval '1 millisecond'
    returning source, lane, first_seen, numbers::text as numbers`.execute(db);
  return rows;
}
