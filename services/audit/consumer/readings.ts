import type { LoopLogger } from '@muniment/audit-events';
import { readShard, type ShardReaderOptions } from './read-shard.ts';
import type { HeldShard, ShardLease } from './shard-leases.ts';
import type { StoredCounts } from './store-batch.ts';

export interface ReadingsOptions extends Omit<ShardReaderOptions, 'onStored' | 'onLag'> {
  log: LoopLogger;
  /** A shard has ended or was lost. */
  onEnded(): void;
}

/** A shard that this replica reads. */
export interface Reading extends HeldShard {
  abort: AbortController;
  finished: Promise<void>;
}

/** The shards that this replica reads, each in a loop of its own. */
export interface Readings {
  start(lease: ShardLease): void;
  /** Stops these after the batches in progress. */
  end(some: readonly Reading[]): Promise<void>;
  list(): Reading[];
  /** Since this process started. */
  totals(): StoredCounts;
}

export function createReadings({ log, onEnded, ...options }: ReadingsOptions): Readings {
  const readings = new Map<string, Reading>();
  const totals: StoredCounts = { stored: 0, duplicates: 0, quarantined: 0 };

  function addCounts({ shardId }: ShardLease, counts: StoredCounts): void {
    totals.stored += counts.stored;
    totals.duplicates += counts.duplicates;
    totals.quarantined += counts.quarantined;
    if (counts.quarantined > 0)
      log.warn({ shard: shardId, records: counts.quarantined }, 'records quarantined');
  }

  async function read(reading: Reading): Promise<void> {
    const { lease, abort } = reading;
    const end = await readShard(
      {
        ...options,
        onStored: (counts) => addCounts(lease, counts),
        onLag: (lagMs) => {
          reading.read = { lagMs, at: new Date() };
        },
      },
      lease,
      abort.signal,
    );
    if (readings.get(lease.shardId) === reading) readings.delete(lease.shardId);
    if (end === 'stopped') return;
    log.info(
      { shard: lease.shardId, epoch: lease.epoch },
      end === 'ended' ? 'shard read to its end' : 'shard lost',
    );
    onEnded();
  }

  return {
    start(lease) {
      const abort = new AbortController();
      const reading: Reading = { lease, read: undefined, abort, finished: Promise.resolve() };
      log.info({ shard: lease.shardId, epoch: lease.epoch }, 'shard taken');
      readings.set(lease.shardId, reading);
      reading.finished = read(reading);
    },
    async end(some) {
      for (const { abort } of some) abort.abort();
      await Promise.all(some.map(({ finished }) => finished));
    },
    list: () => [...readings.values()],
    totals: () => totals,
  };
}
