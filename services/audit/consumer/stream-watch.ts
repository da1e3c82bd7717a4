import type { KinesisClient } from '@aws-sdk/client-kinesis';
import type { Kysely } from 'kysely';
import type { LoopLogger } from '@muniment/audit-events';
import type { Rest } from '@muniment/server';
import type { Tables } from '../tables.ts';
import { listShards, type ListedStream } from './list-shards.ts';
import type { Outage } from './outage.ts';
import { isThrottled } from './shard-cursor.ts';
import type { Readings } from './readings.ts';
import { registerShards, type StreamIdentity } from './shard-leases.ts';

export interface StreamWatchOptions {
  db: Kysely<Tables>;
  kinesis: KinesisClient;
  /** Name of the stream. */
  name: string;
  log: LoopLogger;
  streamOutage: Outage;
  readings: Readings;
  listEveryMs: number;
  /** While no events are recorded, it lists a third as often: a shard's reader notices its end. */
  rest?: Rest | undefined;
  /** Longest that one list may take. */
  timeoutMs: number;
}

/** Follows which shards the stream has, and whether it is still the same stream. */
export interface StreamWatch {
  /**
   * Lists the shards when due.
   * @returns the stream as last seen; undefined before the first list
   */
  list(): Promise<StreamIdentity | undefined>;
  /** The next call lists: the stream may have changed. */
  listSoon(): void;
}

export function createStreamWatch(options: StreamWatchOptions): StreamWatch {
  const { db, kinesis, name, log, streamOutage, readings } = options;
  let stream: StreamIdentity | undefined;
  let listedAt = -Infinity;

  async function readStream(): Promise<ListedStream | undefined> {
    try {
      return await listShards(kinesis, name, AbortSignal.timeout(options.timeoutMs));
    } catch (error) {
      if (!isThrottled(error)) streamOutage.notice(error);
      return undefined;
    }
  }

  async function register(listed: ListedStream): Promise<void> {
    if (stream && stream.created.getTime() !== listed.created.getTime()) {
      log.warn(
        { stream: name, created: listed.created },
        'the stream was made anew; reading it from its start',
      );
      await readings.end(readings.list());
    }
    stream = listed;
    for (const loss of await registerShards(db, listed)) {
      log.warn(
        { stream: name, ...loss },
        'the stream lost records; what was not stored is sent again from the outboxes',
      );
    }
  }

  return {
    async list() {
      const everyMs = options.listEveryMs * (options.rest?.isResting() ? 3 : 1);
      if (performance.now() - listedAt < everyMs) return stream;
      listedAt = performance.now();
      const listed = await readStream();
      if (!listed) return stream;
      // Readers end an outage themselves; without one nobody else would notice.
      if (readings.list().length === 0) streamOutage.end();
      await register(listed);
      return stream;
    },
    listSoon() {
      listedAt = -Infinity;
    },
  };
}
