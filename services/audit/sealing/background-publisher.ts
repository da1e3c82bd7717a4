import type { LoopLogger } from '@muniment/audit-events';
import { HistoryAltered } from '../errors.ts';
import type { CheckpointPublisher } from './checkpoint-publisher.ts';
import type { HistoryAlarm } from './history-alarm.ts';

export interface BackgroundPublisher {
  /** Starts to publish, unless a run is in progress. */
  start(signal: AbortSignal): void;
  /** Resolves when no run is in progress. It never rejects. */
  whenPublished(): Promise<void>;
}

/** Publishes checkpoints beside the sealing, since S3 may be slow or away. */
export function createBackgroundPublisher(
  publisher: CheckpointPublisher,
  alarm: HistoryAlarm,
  log: LoopLogger,
): BackgroundPublisher {
  let publishing: Promise<void> | undefined;
  let isBucketDown = false;

  async function publish(signal: AbortSignal): Promise<void> {
    try {
      await publisher.publish(signal);
      if (isBucketDown) log.info({}, 'checkpoints reach the bucket again');
      isBucketDown = false;
    } catch (error) {
      if (error instanceof HistoryAltered) return alarm.raise(error.message);
      if (!isBucketDown)
        log.warn({ err: error }, 'checkpoints do not reach the bucket; they are put there later');
      isBucketDown = true;
    }
  }

  return {
    start(signal) {
      publishing ??= publish(signal).finally(() => {
        publishing = undefined;
      });
    },
    whenPublished: async () => publishing,
  };
}
