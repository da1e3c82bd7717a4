import { sql, type Kysely, type Transaction } from 'kysely';
import type { Tables } from '../tables.ts';

export interface LaneNews {
  source: string;
  lane: number;
  /** Sealed up to here. */
  sealed_seq: number;
  /** Stored without a hole up to here. */
  watermark: number;
}

/** Lanes with numbers to seal. Numbers past a hole do not count. */
export async function listLaneNews(db: Kysely<Tables>): Promise<LaneNews[]> {
  const { rows } = await sql<LaneNews>`
    select source, lane, s.sealed_seq, l.watermark
    from audit.seal_lanes s join audit.lanes l using (source, lane)
    where l.watermark > s.sealed_seq
    order by source, lane`.execute(db);
  return rows;
}

/** @returns how many lanes were where `moves` says, and have moved */
export async function moveSealLanes(
  trx: Transaction<Tables>,
  moves: readonly Pick<LaneNews, 'source' | 'lane' | 'sealed_seq' | 'watermark'>[],
): Promise<number> {
  const { numAffectedRows } = await sql`
    update audit.seal_lanes s set sealed_seq = m.upto
    from unnest(
      ${moves.map(({ source }) => source)}::text[], ${moves.map(({ lane }) => lane)}::smallint[],
      ${moves.map((move) => move.sealed_seq)}::bigint[],
      ${moves.map(({ watermark }) => watermark)}::bigint[]) as m(source, lane, after, upto)
    where s.source = m.source and s.lane = m.lane and s.sealed_seq = m.after`.execute(trx);
  return Number(numAffectedRows);
}
