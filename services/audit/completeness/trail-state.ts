import { Type, type Static } from 'typebox';
import type { Kysely } from 'kysely';
import { findHoles, findStreamLosses, lastSealedIndex, readLanes, readOutboxes, readShards } from '../queries/completeness.ts';
import type { Tables } from '../tables.ts';

const MAX_HOLES = 1_000;
const MAX_LOSSES = 20;

const time = () => Type.String({ format: 'date-time' });
const orNull = <Schema extends Parameters<typeof Type.Union>[0][number]>(schema: Schema) => Type.Union([schema, Type.Null()]);

const holeSchema = Type.Object({
  from: Type.Integer(),
  to: Type.Integer(),
  first_seen: time(),
  age_seconds: Type.Number(),
  in_outbox: Type.Integer({ description: 'How many of these numbers the outbox still holds and will send again.' }),
});

const laneSchema = Type.Object({
  lane: Type.Integer(),
  watermark: Type.Integer({ description: 'All numbers up to this one are stored.' }),
  assigned: Type.Integer({ description: 'The highest number that the source has given.' }),
  missing: Type.Integer({ description: 'Numbers that were given and are not stored.' }),
  duplicates: Type.Integer({ description: 'Records dismissed because their event was stored already.' }),
  holes: Type.Array(holeSchema),
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
    losses: Type.Array(Type.Object({ kind: Type.String(), shard_id: orNull(Type.String()), noticed_at: time() })),
  }),
  log: Type.Object({ last_index: orNull(Type.Integer()) }),
});

export type TrailState = Static<typeof trailStateSchema>;

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** Looks at everything that tells whether the trail is complete: some milliseconds of the database, whatever the size of the log. */
export async function readTrailState(db: Kysely<Tables>, stream: string): Promise<TrailState> {
  const [lanes, holes, outboxes, shards, losses, lastIndex] = await Promise.all([
    readLanes(db), findHoles(db, MAX_HOLES), readOutboxes(db), readShards(db, stream), findStreamLosses(db, stream, MAX_LOSSES), lastSealedIndex(db),
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
          lane, watermark, assigned, missing, duplicates,
          holes: holes.filter((hole) => hole.source === source && hole.lane === lane)
            .map(({ from, to, first_seen: firstSeen, age_seconds, in_outbox }) => ({ from, to, first_seen: firstSeen.toISOString(), age_seconds, in_outbox })),
        })),
      };
    }),
    stream: {
      name: stream,
      lag_ms: lags.length === 0 ? null : Math.max(...lags),
      shards: shards.map(({ read_at: readAt, ...shard }) => ({ ...shard, read_at: readAt?.toISOString() ?? null })),
      losses: losses.map(({ noticed_at: noticedAt, ...loss }) => ({ ...loss, noticed_at: noticedAt.toISOString() })),
    },
    log: { last_index: lastIndex },
  };
}
