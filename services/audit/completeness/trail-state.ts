import { Type, type Static } from 'typebox';
import type { Kysely } from 'kysely';
import {
  listHoles,
  findNewestCheckpoint,
  listStreamLosses,
  listLanes,
  listOutboxes,
  listShardStates,
} from './completeness-queries.ts';
import { listDeclaredLost } from './declared-lost-queries.ts';
import { listOpenDifferences, readReconciled } from '../reconciler/difference-queries.ts';
import { findHead } from '../proofs/tree-queries.ts';
import { listLaneNews } from '../sealing/seal-lane-queries.ts';
import { findOldestUnsealed } from '../sealing/unsealed-event-queries.ts';
import { readQuarantine } from '../quarantine/quarantine-queries.ts';
import type { Tables } from '../tables.ts';

const MAX_HOLES = 1_000;
const MAX_DECLARED = 1_000;
const MAX_LOSSES = 20;
const MAX_DIFFERENCES = 1_000;

const time = () => Type.String({ format: 'date-time' });
const orNull = <Schema extends Parameters<typeof Type.Union>[0][number]>(schema: Schema) =>
  Type.Union([schema, Type.Null()]);

const holeSchema = Type.Object({
  from: Type.Integer(),
  to: Type.Integer(),
  first_seen: time(),
  age_seconds: Type.Number(),
  in_outbox: Type.Integer({
    description: 'How many of these numbers the outbox still holds and will send again.',
  }),
});

const declaredSchema = Type.Object({
  from: Type.Integer(),
  to: Type.Integer(),
  event_id: Type.String({ format: 'uuid' }),
  declared_at: time(),
});

const laneSchema = Type.Object({
  lane: Type.Integer(),
  watermark: Type.Integer({ description: 'All numbers up to this one are stored.' }),
  assigned: Type.Integer({ description: 'The highest number that the source has given.' }),
  missing: Type.Integer({ description: 'Numbers that were given and are not stored.' }),
  duplicates: Type.Integer({
    description: 'Records dismissed because their event was stored already.',
  }),
  holes: Type.Array(holeSchema),
  declared_lost: Type.Array(declaredSchema, {
    description:
      'Numbers that count as stored and are not in the log: an operator has given them up.',
  }),
});

const sourceSchema = Type.Object({
  source: Type.String(),
  assigned: Type.Integer(),
  missing: Type.Integer(),
  duplicates: Type.Integer(),
  outbox: orNull(Type.Object({ rows: Type.Integer(), oldest_seconds: Type.Number() })),
  lanes: Type.Array(laneSchema),
});

const shardSchema = Type.Object({
  shard_id: Type.String(),
  holder: orNull(Type.String()),
  lag_ms: orNull(Type.Integer()),
  read_at: orNull(time()),
  unread_seconds: orNull(Type.Number()),
  readable: Type.Boolean(),
});

/** How complete the trail is, as it is answered. */
export const trailStateSchema = Type.Object({
  checked_at: time(),
  sources: Type.Array(sourceSchema),
  stream: Type.Object({
    name: Type.String(),
    lag_ms: orNull(Type.Integer()),
    shards: Type.Array(shardSchema),
    losses: Type.Array(
      Type.Object({ kind: Type.String(), shard_id: orNull(Type.String()), noticed_at: time() }),
    ),
  }),
  quarantine: Type.Object({
    records: Type.Integer(),
    events_missing: Type.Integer({
      description:
        'Counted as received and not in the log: the trail lacks these until they are replayed.',
    }),
    last_received_at: orNull(time()),
  }),
  reconciliation: Type.Object({
    checked_until: orNull(time()),
    swept_at: orNull(time()),
    unverifiable_rows: Type.Integer(),
    differences: Type.Array(
      Type.Object({
        kind: Type.String(),
        row_type: Type.String(),
        row_id: Type.String(),
        first_seen: time(),
      }),
    ),
  }),
  log: Type.Object({
    last_index: orNull(Type.Integer({ description: 'The last index that the log has given.' })),
    unsealed: Type.Integer({ description: 'Numbers that are stored and not sealed.' }),
    oldest_unsealed_seconds: Type.Number(),
    checkpoint: orNull(Type.Object({ size: Type.Integer(), created_at: time() })),
  }),
});

export type TrailState = Static<typeof trailStateSchema>;

/** How far what is stored is in the log, and what of it is signed. */
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

/** Looks at everything that tells whether the trail is complete: some milliseconds of the database, whatever the size of the log. */
export async function readTrailState(db: Kysely<Tables>, stream: string): Promise<TrailState> {
  const [
    lanes,
    holes,
    outboxes,
    shards,
    losses,
    quarantine,
    log,
    reconciled,
    differences,
    declared,
  ] = await Promise.all([
    listLanes(db),
    listHoles(db, MAX_HOLES),
    listOutboxes(db),
    listShardStates(db, stream),
    listStreamLosses(db, stream, MAX_LOSSES),
    readQuarantine(db),
    readLogState(db),
    readReconciled(db),
    listOpenDifferences(db, MAX_DIFFERENCES),
    listDeclaredLost(db, MAX_DECLARED),
  ]);
  const lags = shards.flatMap(({ lag_ms: lag }) => (lag === null ? [] : [lag]));
  return {
    checked_at: new Date().toISOString(),
    sources: [...Map.groupBy(lanes, ({ source }) => source)].map(([source, own]) => {
      const outbox = outboxes.find((one) => one.source === source);
      return {
        source,
        assigned: sum(own.map(({ assigned }) => assigned)),
        missing: sum(own.map(({ missing }) => missing)),
        duplicates: sum(own.map(({ duplicates }) => duplicates)),
        outbox: outbox ? { rows: outbox.rows, oldest_seconds: outbox.oldest_seconds } : null,
        lanes: own.map(({ lane, watermark, assigned, missing, duplicates }) => ({
          lane,
          watermark,
          assigned,
          missing,
          duplicates,
          holes: holes
            .filter((hole) => hole.source === source && hole.lane === lane)
            .map(({ from, to, first_seen: firstSeen, age_seconds, in_outbox }) => ({
              from,
              to,
              first_seen: firstSeen.toISOString(),
              age_seconds,
              in_outbox,
            })),
          declared_lost: declared
            .filter((range) => range.source === source && range.lane === lane)
            .map(({ from, to, event_id, declared_at: at }) => ({
              from,
              to,
              event_id,
              declared_at: at.toISOString(),
            })),
        })),
      };
    }),
    stream: {
      name: stream,
      lag_ms: lags.length === 0 ? null : Math.max(...lags),
      shards: shards.map(({ read_at: readAt, ...shard }) => ({
        ...shard,
        read_at: readAt?.toISOString() ?? null,
      })),
      losses: losses.map(({ noticed_at: noticedAt, ...loss }) => ({
        ...loss,
        noticed_at: noticedAt.toISOString(),
      })),
    },
    quarantine: {
      ...quarantine,
      last_received_at: quarantine.last_received_at?.toISOString() ?? null,
    },
    reconciliation: {
      checked_until: reconciled?.checked_until?.toISOString() ?? null,
      swept_at: reconciled?.swept_at?.toISOString() ?? null,
      unverifiable_rows: reconciled?.unverifiable_rows ?? 0,
      differences: differences.map(({ first_seen: firstSeen, ...difference }) => ({
        ...difference,
        first_seen: firstSeen.toISOString(),
      })),
    },
    log,
  };
}
