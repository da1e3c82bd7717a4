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
import type { Outage } from './outage.ts';
import type { ShardLease } from './shard-leases.ts';

export interface ShardCursorOptions {
  kinesis: KinesisClient;
  streamOutage: Outage;
  /** The stream does not know the shard: it may have been deleted and created again. */
  onStreamChanged(): void;
}

/** A position in a shard. */
export interface ShardCursor {
  /** Reads the next records. `expired` may be read again at once, `failed` after a pause. */
  read(): Promise<GetRecordsCommandOutput | 'expired' | 'failed'>;
  /** Moves behind an answer whose records were stored. */
  moveBehind(answer: GetRecordsCommandOutput): void;
  /** Returns to the lease's checkpoint. */
  reset(): void;
}

/** At most 16 MiB of events, usually about 1 MiB. Five reads a second make 5,000 events. */
export const MAX_RECORDS = 1_000;

/** The stream answers that it was asked too often. That is no outage. */
export const isThrottled = (error: unknown): boolean =>
  error instanceof ProvisionedThroughputExceededException ||
  error instanceof LimitExceededException ||
  error instanceof KMSThrottlingException;

export function createShardCursor(
  { kinesis, streamOutage, onStreamChanged }: ShardCursorOptions,
  lease: ShardLease,
  signal: AbortSignal,
): ShardCursor {
  let iterator: string | undefined;
  let isFromStart = lease.checkpoint === null;

  async function openIterator(): Promise<string | undefined> {
    const start =
      isFromStart || lease.checkpoint === null
        ? ({ ShardIteratorType: 'TRIM_HORIZON' } as const)
        : ({
            ShardIteratorType: 'AFTER_SEQUENCE_NUMBER',
            StartingSequenceNumber: lease.checkpoint,
          } as const);
    const { ShardIterator } = await kinesis.send(
      new GetShardIteratorCommand({ StreamName: lease.stream, ShardId: lease.shardId, ...start }),
      { abortSignal: signal },
    );
    return ShardIterator;
  }

  function handleError(error: unknown): 'expired' | 'failed' {
    if (signal.aborted || isThrottled(error)) return 'failed';
    const wasOpen = iterator !== undefined;
    iterator = undefined;
    if (error instanceof ExpiredIteratorException) return 'expired';
    if (error instanceof InvalidArgumentException && !wasOpen) {
      // The checkpoint is not of this stream. From its start, stored events are dismissed.
      isFromStart = true;
      onStreamChanged();
    } else if (error instanceof ResourceNotFoundException) onStreamChanged();
    else streamOutage.notice(error);
    return 'failed';
  }

  return {
    async read() {
      try {
        iterator ??= await openIterator();
        const answer = await kinesis.send(
          new GetRecordsCommand({ ShardIterator: iterator, Limit: MAX_RECORDS }),
          { abortSignal: signal },
        );
        streamOutage.end();
        return answer;
      } catch (error) {
        return handleError(error);
      }
    },
    moveBehind({ Records = [], NextShardIterator }) {
      iterator = NextShardIterator;
      if (Records.length > 0) isFromStart = false;
    },
    reset() {
      iterator = undefined;
    },
  };
}
