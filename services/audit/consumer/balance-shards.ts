import type { Kysely } from 'kysely';
import type { Tables } from '../tables.ts';
import type { Reading, Readings } from './readings.ts';
import {
  claimShards,
  countReadable,
  releaseShard,
  renewLeases,
  reportAlive,
} from './shard-leases.ts';
import type { StreamWatch } from './stream-watch.ts';

export interface BalanceOptions {
  db: Kysely<Tables>;
  /** This process's id. */
  owner: string;
  leaseTtlMs: number;
  readings: Readings;
  watch: StreamWatch;
}

/** Ends readings after the batches in progress, and frees their shards for others. */
export async function releaseReadings(
  { db, readings }: Pick<BalanceOptions, 'db' | 'readings'>,
  some: readonly Reading[],
): Promise<void> {
  await readings.end(some);
  for (const { lease } of some) await releaseShard(db, lease);
}

/** Renews this replica's shard leases, and frees or claims shards until it has its share. */
export async function balanceShards(options: BalanceOptions): Promise<void> {
  const { db, owner, leaseTtlMs, readings, watch } = options;
  const live = await reportAlive(db, owner, leaseTtlMs);
  const renewed = await renewLeases(db, readings.list(), leaseTtlMs);
  await readings.end(readings.list().filter(({ lease }) => !renewed.has(lease.shardId)));
  const stream = await watch.list();
  if (!stream) return;
  const share = Math.ceil((await countReadable(db, stream)) / live);
  const current = readings.list();
  if (current.length > share) return releaseReadings(options, current.slice(share));
  if (current.length === share) return;
  const limit = share - current.length;
  const claims = await claimShards(db, stream, { owner, ttlMs: leaseTtlMs, limit });
  for (const lease of claims) readings.start(lease);
}
