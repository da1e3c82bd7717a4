import { sql, type Kysely, type Transaction } from 'kysely';
import type { Tables } from '../tables.ts';
import type { ListedStream } from './list-shards.ts';

/** A shard as its holder knows it. A write that names an old epoch is refused. */
export interface ShardLease {
  stream: string;
  created: Date;
  shardId: string;
  owner: string;
  epoch: number;
  /** Sequence number of the last record stored; null before the first. */
  checkpoint: string | null;
}

/** Identifies a stream. The creation time gives a stream that was created again rows of its own. */
export type StreamIdentity = Pick<ListedStream, 'name' | 'created'>;

/** A noticed loss: the whole stream, or a shard that had not been read to its end. */
export interface StreamLoss {
  kind: 'made_anew' | 'shard_trimmed';
  shard_id: string | null;
}

/**
 * Inserts the listed shards in one statement, so that no child is seen before its parent. It
 * deletes shards of the earlier stream and trimmed ones, since unread parents block their children.
 * @returns the losses, to one of the replicas that notice
 */
export async function registerShards(
  db: Kysely<Tables>,
  { name, created, shards }: ListedStream,
): Promise<StreamLoss[]> {
  await sql`
    insert into audit.shards (stream, stream_created, shard_id, parent_ids)
    select ${name}, ${created}, s.id, string_to_array(s.parents, ',')
    from unnest(${shards.map(({ id }) => id)}::text[],
      ${shards.map(({ parents }) => parents.join(','))}::text[]) as s(id, parents)
    on conflict do nothing`.execute(db);
  // Only older ones: a replica that has not noticed the new stream must not delete its rows.
  const { rows } = await sql<StreamLoss>`
    with gone as (
      delete from audit.shards
      where stream = ${name} and (
        stream_created < ${created}
        or stream_created = ${created} and shard_id <> all(${shards.map(({ id }) => id)}::text[])
      )
      returning stream_created < ${created} as made_anew, shard_id, ended
    )
    insert into audit.stream_losses (stream, kind, shard_id)
    select ${name}, 'made_anew', null where exists (select from gone where made_anew)
    union all
    select ${name}, 'shard_trimmed', shard_id from gone where not made_anew and not ended
    returning kind, shard_id`.execute(db);
  return rows;
}

/** Reports this consumer as alive. @returns how many consumers are alive, this one included */
export async function reportAlive(
  db: Kysely<Tables>,
  owner: string,
  ttlMs: number,
): Promise<number> {
  const { rows } = await sql<{ others: number }>`
    with reported as (
      insert into audit.consumers (name, expires_at)
      values (${owner}, clock_timestamp() + ${ttlMs} * interval '1 millisecond')
      on conflict (name) do update set expires_at = excluded.expires_at
    ), deleted as (
      delete from audit.consumers
      where name <> ${owner} and expires_at < clock_timestamp() - interval '1 hour'
    )
    select count(*) as others from audit.consumers
    where name <> ${owner} and expires_at > clock_timestamp()`.execute(db);
  return 1 + (rows[0]?.others ?? 0);
}

/** Takes the consumer out of the count at once, so that the others need not wait for its share. */
export async function reportGone(db: Kysely<Tables>, owner: string): Promise<void> {
  await sql`delete from audit.consumers where name = ${owner}`.execute(db);
}

/** A shard that is being read, and how far its reader is. */
export interface HeldShard {
  lease: ShardLease;
  /** Undefined until the shard has been read. */
  read: { lagMs: number; at: Date } | undefined;
}

/**
 * Renews the leases of shards that are being read, and stores each one's lag for other replicas. A
 * lease without a reader (its claim's answer was lost) runs out.
 * @returns ids of the shards it still holds
 */
export async function renewLeases(
  db: Kysely<Tables>,
  held: readonly HeldShard[],
  ttlMs: number,
): Promise<Set<string>> {
  const first = held[0]?.lease;
  if (!first) return new Set();
  const { rows } = await sql<{ shard_id: string }>`
    update audit.shards s
    set expires_at = clock_timestamp() + ${ttlMs} * interval '1 millisecond',
      lag_ms = coalesce(held.lag_ms, s.lag_ms), read_at = coalesce(held.read_at, s.read_at)
    from unnest(
      ${held.map(({ lease }) => lease.shardId)}::text[],
      ${held.map(({ lease }) => lease.epoch)}::bigint[],
      ${held.map(({ read }) => (read ? Math.round(read.lagMs) : null))}::bigint[],
      ${held.map(({ read }) => read?.at ?? null)}::timestamptz[]
    ) as held(shard_id, epoch, lag_ms, read_at)
    where s.stream = ${first.stream} and s.stream_created = ${first.created}
      and s.owner = ${first.owner} and s.shard_id = held.shard_id and s.epoch = held.epoch
    returning s.shard_id`.execute(db);
  return new Set(rows.map((row) => row.shard_id));
}

/** Counts the shards that can be read now: not ended, and every known parent has ended. */
export async function countReadable(db: Kysely<Tables>, stream: StreamIdentity): Promise<number> {
  const { rows } = await sql<{ shards: number }>`
    select count(*) as shards from audit.shards s
    where s.stream = ${stream.name} and s.stream_created = ${stream.created} and not s.ended
      and ${parentsEnded}`.execute(db);
  return rows[0]?.shards ?? 0;
}

// Parents before children: otherwise an event could be stored before an earlier one of its subject.
const parentsEnded = sql`not exists (
  select 1 from audit.shards p
  where p.stream = s.stream and p.stream_created = s.stream_created
    and p.shard_id = any(s.parent_ids) and not p.ended)`;

/** Claims up to `limit` shards that have no holder, or a silent one. */
export async function claimShards(
  db: Kysely<Tables>,
  stream: StreamIdentity,
  { owner, ttlMs, limit }: { owner: string; ttlMs: number; limit: number },
): Promise<ShardLease[]> {
  const { rows } = await sql<{ shard_id: string; epoch: number; checkpoint: string | null }>`
    -- Materialised: a joined subquery may run once per row, and each run would choose anew.
    with free as materialized (
      select s.shard_id from audit.shards s
      where s.stream = ${stream.name} and s.stream_created = ${stream.created} and not s.ended
        and s.expires_at <= clock_timestamp() and ${parentsEnded}
      order by s.shard_id limit ${limit}
      for update skip locked
    )
    update audit.shards c
    set owner = ${owner}, epoch = c.epoch + 1,
      expires_at = clock_timestamp() + ${ttlMs} * interval '1 millisecond'
    from free
    where c.stream = ${stream.name} and c.stream_created = ${stream.created}
      and c.shard_id = free.shard_id
    returning c.shard_id, c.epoch, c.checkpoint`.execute(db);
  return rows.map((row) => ({
    stream: stream.name,
    created: stream.created,
    shardId: row.shard_id,
    owner,
    epoch: row.epoch,
    checkpoint: row.checkpoint,
  }));
}

/** Frees the shard at once, unless it was lost meanwhile. */
export async function releaseShard(db: Kysely<Tables>, lease: ShardLease): Promise<void> {
  await sql`
    update audit.shards set owner = null, expires_at = '-infinity'
    where stream = ${lease.stream} and stream_created = ${lease.created}
      and shard_id = ${lease.shardId}
      and owner = ${lease.owner} and epoch = ${lease.epoch}`.execute(db);
}

/**
 * Moves the shard's checkpoint and marks its end under the lease. The locked row keeps a suspended
 * holder from writing beside its successor.
 * @returns false when the lease is lost; the transaction must then roll back
 */
export async function moveCheckpoint(
  trx: Transaction<Tables>,
  lease: ShardLease,
  { ttlMs, checkpoint, isEnded }: { ttlMs: number; checkpoint: string | null; isEnded: boolean },
): Promise<boolean> {
  const result = await sql`
    update audit.shards
    set checkpoint = coalesce(${checkpoint}, checkpoint), ended = ${isEnded},
      expires_at = clock_timestamp() + ${ttlMs} * interval '1 millisecond'
    where stream = ${lease.stream} and stream_created = ${lease.created}
      and shard_id = ${lease.shardId} and owner = ${lease.owner} and epoch = ${lease.epoch}
      and expires_at > clock_timestamp()`.execute(trx);
  return result.numAffectedRows === 1n;
}
