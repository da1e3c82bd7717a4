import type { StreamEnd } from './stream-end.ts';

export interface StreamOptions {
  /** The user or token that the limit per reader counts. */
  owner: string;
  /** When the token that opened it expires. */
  expiresAt: Date;
  /**
   * Whether the reader may still read.
   * @returns the moment of that knowledge, by the monotonic clock; undefined when they may not
   */
  revalidate(): Promise<number | undefined>;
  /** Ends the connection without waiting for the reader. */
  destroy(): void;
}

export interface OpenStream {
  /** Set once the stream is to end. */
  readonly end: StreamEnd | undefined;
  /**
   * Whether the right to read is known from within the last second: else nothing may be written.
   */
  isRevalidated(): boolean;
  /** Resolves at news, also at news since the last wait, at the end, or after `ms`. */
  wait(ms: number): Promise<void>;
  wake(): void;
  /** Called around each write; a reader that does not take it in time is cut off. */
  setWriting(begins: boolean): void;
  close(end: StreamEnd): void;
}

/** A stream as its registry watches it. */
export interface WatchedStream extends OpenStream, StreamOptions {
  /** Since when a write waits for the reader, by the monotonic clock. */
  writingSince: number | undefined;
  /** The moment of the last known right to read, by the monotonic clock. */
  revalidatedAt: number;
}

/** Nothing is written on a right to read that was confirmed longer ago. */
const MAX_REVALIDATION_AGE_MS = 1_000;
/** For the event that says why; a reader that does not take it is cut off. */
const CLOSE_TIMEOUT_MS = 300;

/**
 * @param onEnd called once, when the end is known; `onGone` each time the connection is reported
 * closed
 */
export function createOpenStream(
  options: StreamOptions,
  { onEnd, onGone }: { onEnd(end: StreamEnd): void; onGone(stream: WatchedStream): void },
): WatchedStream {
  const alarm = createAlarm();
  const stream: WatchedStream = {
    ...options,
    ...alarm,
    end: undefined,
    writingSince: undefined,
    revalidatedAt: performance.now(),
    isRevalidated: () => performance.now() - stream.revalidatedAt < MAX_REVALIDATION_AGE_MS,
    setWriting(begins) {
      stream.writingSince = begins ? performance.now() : undefined;
    },
    close(end) {
      if (stream.end === undefined) {
        Object.assign(stream, { end });
        onEnd(end);
        if (end !== 'gone') setTimeout(() => options.destroy(), CLOSE_TIMEOUT_MS).unref();
      }
      if (end === 'gone') onGone(stream);
      stream.wake();
    },
  };
  return stream;
}

/** A wait that can be ended early, also by a wake before it. */
function createAlarm(): Pick<OpenStream, 'wait' | 'wake'> {
  let resolveWait: (() => void) | undefined;
  let isWoken = false;
  return {
    async wait(ms) {
      if (!isWoken) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          resolveWait = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      isWoken = false;
      resolveWait = undefined;
    },
    wake() {
      isWoken = true;
      resolveWait?.();
    },
  };
}
