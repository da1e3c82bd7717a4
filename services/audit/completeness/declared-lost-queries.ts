import { sql, type Kysely, type Transaction } from 'kysely';
import type { Tables } from '../tables.ts';

/** Numbers of a lane, both ends included. */
export interface NumberRange {
  source: string;
  lane: number;
  from: number;
  to: number;
}

export interface RangeState {
  /** All of them were assigned and are not stored. */
  missing: boolean;
  /** All of them have been missing for long enough. */
  old: boolean;
  /** How many the source's outbox still holds. */
  in_outbox: number;
}

/** Locks the lane against stores. @returns how its numbers stand; undefined without such a lane */
export async function lockRange(
  trx: Transaction<Tables>,
  { source, lane, from, to }: NumberRange,
  missingForMs: number,
): Promise<RangeState | undefined> {
  await trx
    .selectFrom('audit.lanes')
    .select('lane')
    .where('source', '=', source)
    .where('lane', '=', lane)
    .forUpdate()
    .execute();
  const range = sql`int8multirange(int8range(${from}, ${to}, '[]'))`;
  // A statement of its own sees what was stored while the lock was waited for.
  const { rows } = await sql<RangeState>`
    select
      ${range} <@ (int8multirange(int8range(1, a.last_seq + 1)) - l.received) as missing,
      ${range} <@ coalesce((
        select range_agg(h.numbers) from audit.holes h
        where h.source = l.source and h.lane = l.lane
          and h.first_seen <= statement_timestamp() - ${missingForMs} * interval '1 millisecond'
      ), '{}') as old,
      (select count(*) from shared.outbox_records o
        where o.source = ${source} and o.lane = ${lane}
          and o.seq between ${from} and ${to}) as in_outbox
    from audit.lanes l join shared.assigned_sequences a using (source, lane)
    where l.source = ${source} and l.lane = ${lane}`.execute(trx);
  return rows[0];
}

/** Counts the numbers as received, so that their lane continues, and saves that they are lost. */
export async function insertDeclaredLost(
  trx: Transaction<Tables>,
  { source, lane, from, to }: NumberRange,
  eventId: string,
): Promise<Date> {
  await sql`
    update audit.lanes
    set received = received + int8multirange(int8range(${from}, ${to}, '[]'))
    where source = ${source} and lane = ${lane}`.execute(trx);
  const { declared_at: declaredAt } = await trx
    .insertInto('audit.declared_lost')
    .values({ source, lane, first_seq: from, last_seq: to, event_id: eventId })
    .returning('declared_at')
    .executeTakeFirstOrThrow();
  return declaredAt;
}

export interface DeclaredRange extends NumberRange {
  event_id: string;
  declared_at: Date;
}

/** Newest first. */
export async function listDeclaredLost(
  db: Kysely<Tables>,
  limit: number,
): Promise<DeclaredRange[]> {
  return db
    .selectFrom('audit.declared_lost')
    .select(['source', 'lane', 'first_seq as from', 'last_seq as to', 'event_id', 'declared_at'])
    .orderBy('declared_at', 'desc')
    .limit(limit)
    .execute();
}
