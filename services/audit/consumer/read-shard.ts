import {
  ExpiredIteratorException,
  GetRecordsCommand,
  GetShardIteratorCommand,
  InvalidArgumentException,
  KMSThrottlingException,
  LimitExceededException,
  ProvisionedThroughputExceededException,
  ResourceNotFoundException,
  type GetRecordsCommandOutput,
  type KinesisClient,
} from '@aws-sdk/client-kinesis';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { SubjectKeys } from '@muniment/audit-events';
import { isDatabaseUnavailable, LeaseLost } from '@muniment/database';
import { findSent } from '../event-store/sent-event-queries.ts';
import type { Tables } from '../tables.ts';
import type { Outage } from './outage.ts';
import type { ShardLease } from './shard-leases.ts';
import type { SearchTerms } from '../search/search-terms.ts';
import { storeBatch, type StoredCounts } from './store-batch.ts';

export interface ShardReaderOptions {
  db: Kysely<Tables>;
  kinesis: KinesisClient;
  /** Makes the events findable by address and e-mail. */
  searchTerms?: SearchTerms | undefined;
  /** Encrypts what is quarantined. */
  subjectKeys?: SubjectKeys | undefined;
  leaseTtlMs: number;
  /**
   * Least time between two reads. Kinesis allows five a second and shard, for all readers together.
   */
  pollMs: number;
  streamOutage: Outage;
  databaseOutage: Outage;
  /** A store that fails though the database answers. */
  storeFault: Outage;
  onStored(counts: StoredCounts): void;
  /**
   * The distance from the last stored to the newest record, in milliseconds. Called before and
   * after a batch is stored.
   */
  onLag(lagMs: number): void;
  /** The stream does not know the shard: it may have been deleted and created again. */
  onStreamChanged(): void;
}

// At most 16 MiB of events, usually about 1 MiB. Five reads a second make 5,000 events.
const MAX_RECORDS = 1_000;
const MAX_BACKOFF_MS = 2_000;

/** The stream answers that it was asked too often. That is no outage. */
export const isThrottled = (error: unknown): boolean =>
  error instanceof ProvisionedThroughputExceededException ||
  error instanceof LimitExceededException ||
  error instanceof KMSThrottlingException;

const ageOf = (record: { ApproximateArrivalTimestamp?: Date | undefined } | undefined): number =>
  record?.ApproximateArrivalTimestamp
    ? Math.max(0, Date.now() - record.ApproximateArrivalTimestamp.getTime())
    : 0;

/**
 * Reads a shard from its checkpoint and stores what it finds, until the shard ends, another holder takes it or `signal` says stop. A stop
 * lets a batch that is being stored be stored. Outages of the stream or the database are waited out, with a growing pause.
 */
export async function readShard(
  options: ShardReaderOptions,
  lease: ShardLease,
  signal: AbortSignal,
): Promise<'ended' | 'lost' | 'stopped'> {
  const { db, kinesis, leaseTtlMs, pollMs, streamOutage, databaseOutage, storeFault } = options;
  let iterator: string | undefined;
  let fromHorizon = lease.checkpoint === null;
  let failures = 0;

  async function openIterator(): Promise<string | undefined> {
    const { ShardIterator } = await kinesis.send(
      new GetShardIteratorCommand({
        StreamName: lease.stream,
        ShardId: lease.shardId,
        ...(fromHorizon || lease.checkpoint === null
          ? { ShardIteratorType: 'TRIM_HORIZON' }
          : {
              ShardIteratorType: 'AFTER_SEQUENCE_NUMBER',
              StartingSequenceNumber: lease.checkpoint,
            }),
      }),
      { abortSignal: signal },
    );
    return ShardIterator;
  }

  async function read(): Promise<GetRecordsCommandOutput | undefined> {
    try {
      iterator ??= await openIterator();
      const answer = await kinesis.send(
        new GetRecordsCommand({ ShardIterator: iterator, Limit: MAX_RECORDS }),
        { abortSignal: signal },
      );
      streamOutage.end();
      return answer;
    } catch (error) {
      if (signal.aborted) return undefined;
      failures += 1;
      if (isThrottled(error)) return undefined;
      if (error instanceof ExpiredIteratorException) failures = 0;
      else if (error instanceof InvalidArgumentException && iterator === undefined) {
        // The checkpoint is not of this stream. From the start, then: what is stored already is dismissed.
        fromHorizon = true;
        options.onStreamChanged();
      } else if (error instanceof ResourceNotFoundException) options.onStreamChanged();
      else streamOutage.notice(error);
      iterator = undefined;
      return undefined;
    }
  }

  /** @returns whether the shard has ended */
  async function store({
    Records = [],
    NextShardIterator,
    MillisBehindLatest = 0,
  }: GetRecordsCommandOutput): Promise<boolean> {
    const ended = !NextShardIterator;
    // The stream's own word is about what was read. While nothing can be stored, the same records are read again and again, up to the newest:
    // only their age tells how far the trail is behind.
    options.onLag(Math.max(MillisBehindLatest, ageOf(Records[0])));
    if (Records.length > 0 || ended) {
      const records = Records.map(({ SequenceNumber = '', Data = new Uint8Array() }) => ({
        sequenceNumber: SequenceNumber,
        data: Data,
      }));
      options.onStored(
        await storeBatch(db, lease, leaseTtlMs, records, ended, {
          searchTerms: options.searchTerms,
          subjectKeys: options.subjectKeys,
          attest: findSent,
        }),
      );
      databaseOutage.end();
      storeFault.end();
      lease.checkpoint = records.at(-1)?.sequenceNumber ?? lease.checkpoint;
      if (records.length > 0) fromHorizon = false;
    }
    iterator = NextShardIterator;
    options.onLag(
      Math.max(MillisBehindLatest, Records.length === MAX_RECORDS ? ageOf(Records.at(-1)) : 0),
    );
    return ended;
  }

  // The holder before may have read a moment ago, and the limit is the shard's, not the reader's.
  if (lease.epoch > 1) await sleep(pollMs, undefined, { signal }).catch(() => {});
  while (!signal.aborted) {
    const startedAt = performance.now();
    const answer = await read();
    if (answer) {
      try {
        if (await store(answer)) return 'ended';
        failures = 0;
      } catch (error) {
        if (error instanceof LeaseLost) return 'lost';
        (isDatabaseUnavailable(error) ? databaseOutage : storeFault).notice(error);
        failures += 1;
        // The same records again, from the checkpoint: keeping them while the database is away would keep memory.
        iterator = undefined;
      }
    }
    const pause =
      failures === 0
        ? pollMs - (performance.now() - startedAt)
        : Math.min(MAX_BACKOFF_MS, pollMs * 2 ** Math.min(failures, 8));
    if (pause > 0) await sleep(pause, undefined, { signal }).catch(() => {});
  }
  return 'stopped';
}
