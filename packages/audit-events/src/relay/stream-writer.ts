import type { KinesisClient } from '@aws-sdk/client-kinesis';
import { putBatch, type StreamRecord } from '../kinesis.ts';
import type { LoopLogger } from './loop-logger.ts';
import type { Source } from '../event.ts';

export interface StreamWriterOptions {
  kinesis: KinesisClient;
  stream: string;
  source: Source;
  log: LoopLogger;
  /** The stream takes records again after an outage. */
  onRecovered(): void;
}

export interface StreamWriter {
  /**
   * Makes one attempt.
   * @returns the records that the stream refused; all of them while it is down
   */
  write(batch: StreamRecord[]): Promise<StreamRecord[]>;
  downSince(): Date | undefined;
}

/** Writes to the stream, and logs an outage once at its start and once at its end. */
export function createStreamWriter(options: StreamWriterOptions): StreamWriter {
  const { kinesis, stream, source, log } = options;
  let downSince: Date | undefined;
  return {
    async write(batch) {
      try {
        const refused = await putBatch({ kinesis, stream }, source, batch);
        if (downSince) {
          log.info({ source, downSince }, 'stream takes records again');
          downSince = undefined;
          options.onRecovered();
        }
        return refused;
      } catch (error) {
        if (!downSince)
          log.warn({ source, err: error }, 'stream refuses records; the outbox keeps them');
        downSince ??= new Date();
        return batch;
      }
    },
    downSince: () => downSince,
  };
}
