import type { KinesisClient } from '@aws-sdk/client-kinesis';
import type { Kysely } from 'kysely';
import type { LoopLogger, SubjectKeys } from '@muniment/audit-events';
import { createHolderId, createWakeableLoop, isDatabaseUnavailable } from '@muniment/database';
import type { Rest } from '@muniment/server';
import type { SearchTerms } from '../search/search-terms.ts';
import type { Tables } from '../tables.ts';
import { balanceShards, releaseReadings } from './balance-shards.ts';
import { watchOutages, type ConsumerOutages } from './outage.ts';
import { createReadings, type Readings } from './readings.ts';
import { reportGone } from './shard-leases.ts';
import { createStreamWatch } from './stream-watch.ts';

export interface ConsumerOptions {
  db: Kysely<Tables>;
  kinesis: KinesisClient;
  stream: string;
  /** Makes the events findable by address and e-mail. */
  searchTerms?: SearchTerms;
  /** Encrypts what is quarantined. */
  subjectKeys?: SubjectKeys;
  /** This replica's name. */
  replica: string;
  log: LoopLogger;
  /** A shard whose holder is silent for this long is taken over. */
  leaseTtlMs?: number;
  /** Least time between two reads of a shard. */
  pollMs?: number;
  /** While no events are recorded, shards are read and shared out less often. */
  rest?: Rest;
  /** Least time between two lists of the stream's shards. */
  listEveryMs?: number;
}

export interface ConsumerStatus {
  shards: number;
  /** From the last stored to the newest record; the maximum over the shards read here. */
  lagMs: number;
  stored: number;
  duplicates: number;
  quarantined: number;
  streamDownSince: Date | undefined;
  databaseDownSince: Date | undefined;
  /** Since when nothing can be stored: the database is away, or refuses. */
  storeDownSince: Date | undefined;
}

export interface Consumer {
  start(): void;
  /** Ends after the batches in progress and frees the shards at once. */
  stop(): Promise<void>;
  /** A rest may have ended: shares the shards out now. */
  wake(): void;
  status(): ConsumerStatus;
}

/**
 * The consumer of one replica. Live replicas divide the shards among them. It reads at least once,
 * and the store ignores duplicates, so each event takes effect once.
 */
export function createConsumer(options: ConsumerOptions): Consumer {
  const { db, kinesis, stream: name, log, rest, leaseTtlMs = 5_000 } = options;
  const owner = createHolderId(options.replica);
  const outages = watchOutages(log);
  // The shards that this replica reads, each in a loop of its own.
  const readings = createReadings({
    db,
    kinesis,
    log,
    leaseTtlMs,
    streamOutage: outages.stream,
    databaseOutage: outages.database,
    storeFault: outages.store,
    searchTerms: options.searchTerms,
    subjectKeys: options.subjectKeys,
    pollMs: options.pollMs ?? 210,
    rest,
    onStreamChanged: () => watch.listSoon(),
    // The children of a shard that ended can be read now.
    onEnded: () => loop.wake(),
  });
  const watch = createStreamWatch({
    db,
    kinesis,
    name,
    log,
    streamOutage: outages.stream,
    readings,
    listEveryMs: options.listEveryMs ?? 5_000,
    rest,
    // Leases are renewed after the list, so a stream that does not answer must not delay them.
    timeoutMs: Math.ceil(leaseTtlMs / 3),
  });

  const loop = createWakeableLoop({
    async round() {
      await balanceShards({ db, owner, leaseTtlMs, readings, watch });
      outages.database.end();
      outages.leases.end();
      return rest?.isResting() ? leaseTtlMs / 2 : leaseTtlMs / 5;
    },
    onError(error) {
      (isDatabaseUnavailable(error) ? outages.database : outages.leases).notice(error);
      return leaseTtlMs / 5;
    },
  });

  async function stop(): Promise<void> {
    await loop.stop();
    try {
      await releaseReadings({ db, readings }, readings.list());
      await reportGone(db, owner);
    } catch (error) {
      // Without the database the leases run out by themselves.
      log.warn({ err: error }, 'shards could not be handed over');
    }
  }

  return { ...loop, stop, status: () => readStatus(readings, outages) };
}

function readStatus(
  readings: Readings,
  { stream, database, store, leases }: ConsumerOutages,
): ConsumerStatus {
  return {
    ...readings.totals(),
    shards: readings.list().length,
    lagMs: Math.max(0, ...readings.list().map(({ read }) => read?.lagMs ?? 0)),
    streamDownSince: stream.since(),
    databaseDownSince: database.since(),
    storeDownSince: database.since() ?? leases.since() ?? store.since(),
  };
}
