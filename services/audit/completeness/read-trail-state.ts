import type { Kysely } from 'kysely';
import { findHead } from '../proofs/tree/tree-queries.ts';
import { readQuarantine } from '../quarantine/quarantine-queries.ts';
import { listOpenDifferences, readReconciled } from '../reconciler/difference-queries.ts';
import { listLaneNews } from '../sealing/seal-lane-queries.ts';
import { findOldestUnsealed } from '../sealing/unsealed-event-queries.ts';
import type { Tables } from '../tables.ts';
import {
  findNewestCheckpoint,
  listLanes,
  listOutboxes,
  listShardStates,
  listStreamLosses,
  type LaneState,
} from './completeness-queries.ts';
import { listDeclaredLost, type DeclaredRange } from './declared-lost-queries.ts';
import { listHoles, type Hole } from './hole-queries.ts';
import type { TrailState } from './trail-state.ts';

const MAX_HOLES = 1_000;
const MAX_DECLARED = 1_000;
const MAX_LOSSES = 20;
const MAX_DIFFERENCES = 1_000;

/** Reads all that tells whether the trail is complete: some ms, whatever the size of the log. */
export async function readTrailState(db: Kysely<Tables>, stream: string): Promise<TrailState> {
  const [sources, streamState, quarantine, reconciliation, log] = await Promise.all([
    readSources(db),
    readStreamState(db, stream),
    readQuarantine(db),
    readReconciliation(db),
    readLogState(db),
  ]);
  return {
    checked_at: new Date().toISOString(),
    sources,
    stream: streamState,
    quarantine: {
      ...quarantine,
      last_received_at: quarantine.last_received_at?.toISOString() ?? null,
    },
    reconciliation,
    log,
  };
}

async function readSources(db: Kysely<Tables>): Promise<TrailState['sources']> {
  const [lanes, outboxes, holes, declared] = await Promise.all([
    listLanes(db),
    listOutboxes(db),
    listHoles(db, MAX_HOLES),
    listDeclaredLost(db, MAX_DECLARED),
  ]);
  return [...Map.groupBy(lanes, ({ source }) => source)].map(([source, own]) => {
    const outbox = outboxes.find((other) => other.source === source);
    return {
      source,
      assigned: sum(own.map(({ assigned }) => assigned)),
      missing: sum(own.map(({ missing }) => missing)),
      duplicates: sum(own.map(({ duplicates }) => duplicates)),
      outbox: outbox ? { rows: outbox.rows, oldest_seconds: outbox.oldest_seconds } : null,
      lanes: own.map((lane) => toLaneState(lane, { holes, declared })),
    };
  });
}

function toLaneState(
  { source, lane, watermark, assigned, missing, duplicates }: LaneState,
  { holes, declared }: { holes: readonly Hole[]; declared: readonly DeclaredRange[] },
): TrailState['sources'][number]['lanes'][number] {
  const isOfLane = (range: { source: string; lane: number }) =>
    range.source === source && range.lane === lane;
  return {
    lane,
    watermark,
    assigned,
    missing,
    duplicates,
    holes: holes
      .filter(isOfLane)
      .map(({ from, to, first_seen, age_seconds, in_outbox }) => ({
        from,
        to,
        first_seen: first_seen.toISOString(),
        age_seconds,
        in_outbox,
      })),
    declared_lost: declared
      .filter(isOfLane)
      .map(({ from, to, event_id, declared_at }) => ({
        from,
        to,
        event_id,
        declared_at: declared_at.toISOString(),
      })),
  };
}

async function readStreamState(db: Kysely<Tables>, stream: string): Promise<TrailState['stream']> {
  const [shards, losses] = await Promise.all([
    listShardStates(db, stream),
    listStreamLosses(db, stream, MAX_LOSSES),
  ]);
  const lags = shards.flatMap(({ lag_ms: lag }) => (lag === null ? [] : [lag]));
  return {
    name: stream,
    lag_ms: lags.length === 0 ? null : Math.max(...lags),
    shards: shards.map((shard) => ({ ...shard, read_at: shard.read_at?.toISOString() ?? null })),
    losses: losses.map((loss) => ({ ...loss, noticed_at: loss.noticed_at.toISOString() })),
  };
}

async function readReconciliation(db: Kysely<Tables>): Promise<TrailState['reconciliation']> {
  const [reconciled, differences] = await Promise.all([
    readReconciled(db),
    listOpenDifferences(db, MAX_DIFFERENCES),
  ]);
  return {
    checked_until: reconciled?.checked_until?.toISOString() ?? null,
    swept_at: reconciled?.swept_at?.toISOString() ?? null,
    unverifiable_rows: reconciled?.unverifiable_rows ?? 0,
    differences: differences.map((difference) => ({
      ...difference,
      first_seen: difference.first_seen.toISOString(),
    })),
  };
}

/** How much of what is stored is in the log, and how much of that is signed. */
async function readLogState(db: Kysely<Tables>): Promise<TrailState['log']> {
  const [{ size }, news, checkpoint] = await Promise.all([
    findHead(db),
    listLaneNews(db),
    findNewestCheckpoint(db),
  ]);
  const oldest = news.length === 0 ? undefined : await findOldestUnsealed(db, news);
  return {
    last_index: size === 0 ? null : size - 1,
    unsealed: sum(news.map(({ watermark, sealed_seq: sealed }) => watermark - sealed)),
    oldest_unsealed_seconds: oldest ? Math.max(0, Date.now() - oldest.getTime()) / 1_000 : 0,
    checkpoint: checkpoint
      ? { size: checkpoint.size, created_at: checkpoint.created_at.toISOString() }
      : null,
  };
}

const sum = (numbers: readonly number[]): number =>
  numbers.reduce((total, number) => total + number, 0);
