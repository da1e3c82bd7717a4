import { sql, type Transaction } from 'kysely';
import type { AuditEvent } from '@muniment/audit-events';
import type { Tables } from '../tables.ts';

type Numbered = Pick<AuditEvent, 'source' | 'lane' | 'seq'>;

/**
 * Locks the events' lanes for the transaction and finds numbers that arrived before. After a
 * reshard two shards may carry one lane: ordered locks keep a number from being stored twice.
 * @returns indexes into `events`
 */
export async function findReceived(
  trx: Transaction<Tables>,
  events: readonly Numbered[],
): Promise<Set<number>> {
  const { rows } = await sql<{ index: number }>`
    with wanted as (
      select source, lane, seq, index - 1 as index
      from unnest(${events.map(({ source }) => source)}::text[],
        ${events.map(({ lane }) => lane)}::smallint[], ${events.map(({ seq }) => seq)}::bigint[])
        with ordinality as w(source, lane, seq, index)
    ), locked as materialized (
      select source, lane, received from audit.lanes
      where (source, lane) in (select source, lane from wanted)
      order by source, lane for update
    )
    select w.index from wanted w join locked l using (source, lane)
    where l.received @> w.seq`.execute(trx);
  return new Set(rows.map(({ index }) => index));
}

/** Adds the numbers to those that their lanes have received. `repeats` are counted for an alarm. */
export async function addReceived(
  trx: Transaction<Tables>,
  events: readonly Numbered[],
  repeats: readonly Numbered[],
): Promise<void> {
  const all = [
    ...events.map((event) => ({ ...event, repeat: 0 })),
    ...repeats.map((event) => ({ ...event, repeat: 1 })),
  ];
  await sql`
    update audit.lanes l
    set received = l.received + a.numbers, duplicates = l.duplicates + a.repeats
    from (
      select source, lane, range_agg(int8range(seq, seq, '[]')) as numbers, sum(repeat) as repeats
      from unnest(
        ${all.map(({ source }) => source)}::text[], ${all.map(({ lane }) => lane)}::smallint[],
        ${all.map(({ seq }) => seq)}::bigint[], ${all.map(({ repeat }) => repeat)}::int[]
      ) as n(source, lane, seq, repeat)
      group by source, lane
    ) a
    where l.source = a.source and l.lane = a.lane`.execute(trx);
}
