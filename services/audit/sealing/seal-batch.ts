import type { Kysely } from 'kysely';
import { requireLease, type Lease } from '@muniment/database';
import { TreeMoved } from '../errors.ts';
import { insertSealed } from '../proofs/sealed-queries.ts';
import { findLaneNews, moveSealLanes, type LaneNews } from './seal-lane-queries.ts';
import { insertTiles } from '../proofs/tile-queries.ts';
import { updateHead, findHead } from '../proofs/tree-queries.ts';
import { findUnsealed, takeLate, type UnsealedEvent } from './unsealed-event-queries.ts';
import type { Tables } from '../tables.ts';
import { growTree, type TreeHead } from '../proofs/grow-tree.ts';

export interface SealedBatch {
  head: TreeHead;
  sealed: number;
  /** Whether there was more than one batch holds. */
  more: boolean;
}

/**
 * How far each lane gets in this batch: by so many numbers, or to its watermark. By numbers and not by rows: a limit on rows had PostgreSQL read and hash
 * the whole backlog of each lane in each batch.
 */
function laneMoves(lanes: readonly LaneNews[], perLane: number): LaneNews[] {
  return lanes.map((lane) => ({
    ...lane,
    watermark: Math.min(lane.watermark, lane.sealed_seq + perLane),
  }));
}

/**
 * The lanes' events as one sequence: by id, which is by time, as far as each lane's own order allows it. Rows come lane by lane, and sorting is
 * stable, so events that must wait for an older one of their lane stay behind it.
 */
function merge(events: readonly UnsealedEvent[]): UnsealedEvent[] {
  let latest = '';
  let lane: string | undefined;
  const keyed = events.map((event) => {
    const own = `${event.source}/${event.lane}`;
    latest = own === lane && latest > event.id ? latest : event.id;
    lane = own;
    return { event, key: latest };
  });
  return keyed
    .toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ event }) => event);
}

/**
 * Gives the next events their indexes: rows, full tiles, the lanes' cursors and the tree's head in one transaction, which commits only while the
 * lease stands.
 * @throws LeaseLost, or TreeMoved when the tree is not where this transaction found it
 */
export async function sealBatch(
  db: Kysely<Tables>,
  lease: Lease,
  limit: number,
): Promise<SealedBatch> {
  return db.transaction().execute(async (trx) => {
    await requireLease(trx, lease);
    const before = await findHead(trx);
    const lanes = await findLaneNews(trx);
    const perLane = Math.max(1, Math.ceil(limit / Math.max(1, lanes.length)));
    const late = await takeLate(trx, limit);
    const moves = laneMoves(lanes, perLane);
    const next = moves.length === 0 ? [] : await findUnsealed(trx, moves, perLane);
    if (moves.length > 0 && (await moveSealLanes(trx, moves)) !== moves.length)
      throw new TreeMoved(before.size);
    const events = [...late, ...merge(next)];
    const more =
      late.length === limit || moves.some((move, n) => move.watermark !== lanes[n]?.watermark);
    if (events.length === 0) return { head: before, sealed: 0, more };

    const { head, tiles } = growTree(
      before,
      events.map((event) => event.leaf_hash),
    );
    await insertSealed(
      trx,
      before.size,
      events.map(({ id }) => id),
    );
    if (tiles.length > 0) await insertTiles(trx, tiles);
    if (!(await updateHead(trx, before.size, head))) throw new TreeMoved(before.size);
    return { head, sealed: events.length, more };
  });
}
