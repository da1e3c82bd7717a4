import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KinesisClient } from '@aws-sdk/client-kinesis';
import type { Kysely } from 'kysely';
import type { LoopLogger, SubjectKeys } from '@muniment/audit-events';
import { isDatabaseUnavailable } from '@muniment/database';
import type { Tables } from '../tables.ts';
import { listShards } from './list-shards.ts';
import type { SearchTerms } from '../search/search-terms.ts';
import { watchOutage } from './outage.ts';
import { isThrottled, readShard } from './read-shard.ts';
import {
  claimShards,
  countReadable,
  registerShards,
  releaseShard,
  renewLeases,
  reportAlive,
  reportGone,
  type ShardLease,
  type StreamIdentity,
} from './shard-leases.ts';

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
  pollMs?: number;
  listEveryMs?: number;
}

export interface ConsumerStatus {
  shards: number;
  /** The furthest that what is stored of a shard held here is behind the shard's newest record. */
  lagMs: number;
  stored: number;
  duplicates: number;
  quarantined: number;
  streamDownSince: Date | undefined;
  databaseDownSince: Date | undefined;
  /** Since when nothing can be stored, whether the database is away or refuses. */
  storeDownSince: Date | undefined;
}

export interface Consumer {
  start(): void;
  /** Ends after the batches in hand and gives the shards up at once. */
  stop(): Promise<void>;
  status(): ConsumerStatus;
}

interface Reading {
  lease: ShardLease;
  read: { lagMs: number; at: Date } | undefined;
  abort: AbortController;
  finished: Promise<void>;
}

/**
 * The consumer of one replica. All replicas run one; the shards are shared out among those that live. It reads at least once and its
 * effect is exactly once: what a shard hands out twice is dismissed where it is stored.
 */
export function createConsumer(options: ConsumerOptions): Consumer {
  const { db, kinesis, stream: name, log } = options;
  const leaseTtlMs = options.leaseTtlMs ?? 5_000;
  const pollMs = options.pollMs ?? 210;
  const listEveryMs = options.listEveryMs ?? 5_000;
  // Of this process alone: a replica that comes back under its name must not pass for the one that died, whose batch may be under way.
  const owner = `${options.replica}/${randomUUID()}`;
  const stopping = new AbortController();
  const streamOutage = watchOutage(log, 'kinesis');
  const databaseOutage = watchOutage(log, 'postgres');
  const storeFault = watchOutage(log, 'store');
  // Apart from `storeFault`, which only a stored batch ends: an idle stream stores none.
  const leaseFault = watchOutage(log, 'leases');
  const readings = new Map<string, Reading>();
  const totals = { stored: 0, duplicates: 0, quarantined: 0 };
  let stream: StreamIdentity | undefined;
  let listedAt = -Infinity;
  let wake: () => void = () => {};
  let running: Promise<void> = Promise.resolve();

  function beginReading(lease: ShardLease): void {
    const abort = new AbortController();
    const reading: Reading = { lease, read: undefined, abort, finished: Promise.resolve() };
    const reader = {
      db,
      kinesis,
      searchTerms: options.searchTerms,
      subjectKeys: options.subjectKeys,
      leaseTtlMs,
      pollMs,
      streamOutage,
      databaseOutage,
      storeFault,
      onStored(counts: { stored: number; duplicates: number; quarantined: number }) {
        totals.stored += counts.stored;
        totals.duplicates += counts.duplicates;
        totals.quarantined += counts.quarantined;
        if (counts.quarantined > 0)
          log.warn({ shard: lease.shardId, records: counts.quarantined }, 'records quarantined');
      },
      onLag: (lagMs: number) => {
        reading.read = { lagMs, at: new Date() };
      },
      onStreamChanged: () => {
        listedAt = -Infinity;
      },
    };
    log.info({ shard: lease.shardId, epoch: lease.epoch }, 'shard taken');
    reading.finished = readShard(reader, lease, abort.signal).then((end) => {
      if (readings.get(lease.shardId) === reading) readings.delete(lease.shardId);
      if (end === 'stopped') return;
      log.info(
        { shard: lease.shardId, epoch: lease.epoch },
        end === 'ended' ? 'shard read to its end' : 'shard lost',
      );
      // Its children may be read now.
      wake();
    });
    readings.set(lease.shardId, reading);
  }

  async function endReadings(some: readonly Reading[]): Promise<void> {
    for (const { abort } of some) abort.abort();
    await Promise.all(some.map(({ finished }) => finished));
  }

  async function release(some: readonly Reading[]): Promise<void> {
    await endReadings(some);
    for (const { lease } of some) await releaseShard(db, lease);
  }

  async function lookAtStream(): Promise<void> {
    if (performance.now() - listedAt < listEveryMs) return;
    listedAt = performance.now();
    // The next renewal waits for this: a stream that answers nothing must not cost the leases.
    const listed = await listShards(
      kinesis,
      name,
      AbortSignal.timeout(Math.ceil(leaseTtlMs / 3)),
    ).catch((error: unknown) => {
      if (!isThrottled(error)) streamOutage.noticed(error);
    });
    if (!listed) return;
    if (readings.size === 0) streamOutage.over();
    if (stream && stream.created.getTime() !== listed.created.getTime()) {
      log.warn(
        { stream: name, created: listed.created },
        'the stream was made anew; reading it from its start',
      );
      await endReadings([...readings.values()]);
    }
    stream = listed;
    for (const loss of await registerShards(db, listed)) {
      log.warn(
        { stream: name, ...loss },
        'the stream lost records; what was not stored is sent again from the outboxes',
      );
    }
  }

  async function beat(): Promise<void> {
    const live = await reportAlive(db, owner, leaseTtlMs);
    const kept = await renewLeases(db, [...readings.values()], leaseTtlMs);
    await endReadings([...readings.values()].filter(({ lease }) => !kept.has(lease.shardId)));
    await lookAtStream();
    if (!stream) return;
    const share = Math.ceil((await countReadable(db, stream)) / live);
    if (readings.size > share) await release([...readings.values()].slice(share));
    else if (readings.size < share) {
      for (const lease of await claimShards(db, stream, owner, leaseTtlMs, share - readings.size))
        beginReading(lease);
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      try {
        await beat();
        databaseOutage.over();
        leaseFault.over();
      } catch (error) {
        (isDatabaseUnavailable(error) ? databaseOutage : leaseFault).noticed(error);
      }
      await Promise.race([
        woken,
        sleep(leaseTtlMs / 5, undefined, { signal: stopping.signal }).catch(() => {}),
      ]);
    }
    const left = [...readings.values()];
    try {
      await release(left);
      await reportGone(db, owner);
    } catch (error) {
      // The database is away: the leases run out by themselves.
      log.warn({ err: error }, 'shards could not be handed over');
    }
  }

  return {
    start: () => {
      running = run();
    },
    async stop() {
      stopping.abort();
      wake();
      await running;
    },
    status: () => ({
      ...totals,
      shards: readings.size,
      lagMs: Math.max(0, ...[...readings.values()].map(({ read }) => read?.lagMs ?? 0)),
      streamDownSince: streamOutage.since(),
      databaseDownSince: databaseOutage.since(),
      storeDownSince: databaseOutage.since() ?? leaseFault.since() ?? storeFault.since(),
    }),
  };
}
