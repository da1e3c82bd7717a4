import type { Kysely } from 'kysely';
import { requireLease, type Lease } from '@muniment/database';
import { TreeMoved } from '../errors.ts';
import { insertSealed } from '../proofs/sealed-queries.ts';
import { listLaneNews, moveSealLanes, type LaneNews } from './seal-lane-queries.ts';
import { insertTiles } from '../proofs/tree/tile-queries.ts';
import { updateHead, findHead } from '../proofs/tree/tree-queries.ts';
import {
  listUnsealedEvents,
  consumeLateEvents,
  type UnsealedEvent,
} from './unsealed-event-queries.ts';
import type { Tables } from '../tables.ts';
import { growTree, type TreeHead } from '../proofs/tree/grow-tree.ts';

export interface SealedBatch {
  head: TreeHead;
  sealed: number;
  /** Whether more waits than one batch holds. */
  more: boolean;
}

/**
 * How far each lane moves in this batch. Limited by numbers: with a limit on rows PostgreSQL read
 * and hashed each lane's whole backlog.
 */
function laneMoves(lanes: readonly LaneNews[], perLane: number): LaneNews[] {
  return lanes.map((lane) => ({
    ...lane,
    watermark: Math.min(lane.watermark, lane.sealed_seq + perLane),
  }));
}

/**
 * Merges the lanes by event id, which is by time. The sort is stable, so an event stays behind an
 * older one of its lane.
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
 * Gives the next events their indexes. Rows, full tiles, lane cursors and the head change in one
 * transaction, under the lease.
 * @throws LeaseLost; TreeMoved when the tree is not where this transaction found it; what
 * `beforeCommit` throws
 */
export async function sealBatch(
  db: Kysely<Tables>,
  lease: Lease,
  { limit, beforeCommit = () => {} }: { limit: number; beforeCommit?: () => void },
): Promise<SealedBatch> {
  return db.transaction().execute(async (trx) => {
    await requireLease(trx, lease);
    const before = await findHead(trx);
    const lanes = await listLaneNews(trx);
    const perLane = Math.max(1, Math.ceil(limit / Math.max(1, lanes.length)));
    const late = await consumeLateEvents(trx, limit);
    const moves = laneMoves(lanes, perLane);
    const next = moves.length === 0 ? [] : await listUnsealedEvents(trx, moves, perLane);
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
    beforeCommit();
    return { head, sealed: events.length, more };
  });
}
