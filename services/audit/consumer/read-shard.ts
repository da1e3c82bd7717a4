import type { GetRecordsCommandOutput } from '@aws-sdk/client-kinesis';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { SubjectKeys } from '@muniment/audit-events';
import { isDatabaseUnavailable, LeaseLost } from '@muniment/database';
import type { Rest } from '@muniment/server';
import { findSent } from '../event-store/sent-event-queries.ts';
import type { SearchTerms } from '../search/search-terms.ts';
import type { Tables } from '../tables.ts';
import type { Outage } from './outage.ts';
import { createShardCursor, MAX_RECORDS, type ShardCursorOptions } from './shard-cursor.ts';
import type { ShardLease } from './shard-leases.ts';
import { storeBatch, type StoredCounts } from './store-batch.ts';

export interface ShardReaderOptions extends ShardCursorOptions {
  db: Kysely<Tables>;
  /** Makes the events findable by address and e-mail. */
  searchTerms?: SearchTerms | undefined;
  /** Encrypts what is quarantined. */
  subjectKeys?: SubjectKeys | undefined;
  leaseTtlMs: number;
  /** Least time between two reads. Kinesis allows five a second per shard, for all readers. */
  pollMs: number;
  /** While no events are recorded, the shard is read every five seconds. */
  rest?: Rest | undefined;
  databaseOutage: Outage;
  /** A store that fails though the database answers. */
  storeFault: Outage;
  onStored(counts: StoredCounts): void;
  /** Milliseconds from the last stored record to the newest. Called before and after each batch. */
  onLag(lagMs: number): void;
}

const MAX_BACKOFF_MS = 2_000;
/** The relay that finds an event without an announcement announces it. */
const REST_MS = 5_000;
/** From the announcement of an event to its record in the stream: the relay gathers for 50 ms. */
const ARRIVAL_MS = 100;

const ageOf = (record: { ApproximateArrivalTimestamp?: Date | undefined } | undefined): number =>
  record?.ApproximateArrivalTimestamp
    ? Math.max(0, Date.now() - record.ApproximateArrivalTimestamp.getTime())
    : 0;

const isCaughtUp = ({ Records = [], MillisBehindLatest = 0 }: GetRecordsCommandOutput): boolean =>
  Records.length === 0 && MillisBehindLatest === 0;

/** Stores the records of an answer. @returns whether the shard has ended */
async function storeAnswer(
  options: ShardReaderOptions,
  lease: ShardLease,
  { Records = [], NextShardIterator, MillisBehindLatest = 0 }: GetRecordsCommandOutput,
): Promise<boolean> {
  const { db, leaseTtlMs, searchTerms, subjectKeys } = options;
  const isEnded = !NextShardIterator;
  // While nothing can be stored, only the records' age tells how far the trail is behind.
  options.onLag(Math.max(MillisBehindLatest, ageOf(Records[0])));
  if (Records.length > 0 || isEnded) {
    const records = Records.map(({ SequenceNumber = '', Data = new Uint8Array() }) => ({
      sequenceNumber: SequenceNumber,
      data: Data,
    }));
    options.onStored(
      await storeBatch(
        { db, ttlMs: leaseTtlMs, searchTerms, subjectKeys, attest: findSent },
        lease,
        { records, isEnded },
      ),
    );
    options.databaseOutage.end();
    options.storeFault.end();
    lease.checkpoint = records.at(-1)?.sequenceNumber ?? lease.checkpoint;
  }
  const isFull = Records.length === MAX_RECORDS;
  options.onLag(Math.max(MillisBehindLatest, isFull ? ageOf(Records.at(-1)) : 0));
  return isEnded;
}

/**
 * Stores a shard's events from its checkpoint on, until it ends, is lost, or `signal` aborts. A
 * stop lets the batch in progress be stored. Outages are waited out with a growing pause.
 */
export async function readShard(
  options: ShardReaderOptions,
  lease: ShardLease,
  signal: AbortSignal,
): Promise<'ended' | 'lost' | 'stopped'> {
  const { pollMs, rest, databaseOutage, storeFault } = options;
  const cursor = createShardCursor(options, lease, signal);
  const pause = (ms: number) => sleep(ms, undefined, { signal }).catch(() => {});
  let failures = 0;
  // The last holder may have read a moment ago, and the limit of reads is the shard's.
  if (lease.epoch > 1) await pause(pollMs);
  while (!signal.aborted) {
    const startedAt = performance.now();
    const answer = await cursor.read();
    const isEmpty = typeof answer === 'object' && isCaughtUp(answer);
    if (answer === 'expired') failures = 0;
    else if (answer === 'failed') failures += 1;
    else {
      try {
        if (await storeAnswer(options, lease, answer)) return 'ended';
        cursor.moveBehind(answer);
        failures = 0;
      } catch (error) {
        if (error instanceof LeaseLost) return 'lost';
        (isDatabaseUnavailable(error) ? databaseOutage : storeFault).notice(error);
        failures += 1;
        // Read again later: records kept through an outage would fill the memory.
        cursor.reset();
      }
    }
    const backoffMs = Math.min(MAX_BACKOFF_MS, pollMs * 2 ** Math.min(failures, 8));
    if (failures === 0 && isEmpty && rest?.isResting()) {
      await rest.untilWork(REST_MS, signal);
      await pause(ARRIVAL_MS);
    }
    const pauseMs = failures === 0 ? pollMs - (performance.now() - startedAt) : backoffMs;
    if (pauseMs > 0) await pause(pauseMs);
  }
  return 'stopped';
}
