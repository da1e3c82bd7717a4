import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';

const CHECK_PAUSE_MS = 500;
const BUFFER_BYTES = 64 * 1024;
/** The time over which a reader's rate is measured. */
const PACE_MS = 5_000;

/** A running export as the others see it. */
export interface RunningExport {
  /** Whether its reader takes less than the minimum rate. */
  isSlow(): boolean;
  /** Ends it, since its place is wanted. */
  cut(): void;
}

export interface WatchedStreamOptions {
  reply: FastifyReply;
  /** The reader is cut off after taking nothing for so long. */
  stallMs: number;
  /** A reader below this rate gives its place to the next export. */
  minBytesPerSecond: number;
  /** Whether the reader may still read. A failure to find out changes nothing. */
  mayRead(): Promise<boolean>;
}

export interface WatchedStream extends RunningExport {
  stream: Readable;
}

/** A text as a stream that ends with its reader's connection, right to read, or patience. */
export function createWatchedStream(
  text: AsyncGenerator<string>,
  { reply, stallMs, minBytesPerSecond, mayRead }: WatchedStreamOptions,
): WatchedStream {
  const reader = watchReader(text, minBytesPerSecond);
  const stream = Readable.from(reader.pieces(), { objectMode: false, highWaterMark: BUFFER_BYTES });
  const timer = setInterval(() => {
    reader.measure(stream.readableLength);
    if (reader.waitedMs() > stallMs)
      stream.destroy(new Error('the reader of the export has stalled'));
    mayRead().then(
      (mayContinue) => {
        if (!mayContinue) stream.destroy(new Error('the reader of the export may read no more'));
      },
      () => {},
    );
  }, CHECK_PAUSE_MS);
  stream.once('close', () => clearInterval(timer));
  // A client that left before the answer began would leave the stream open for ever.
  if (reply.raw.destroyed) stream.destroy();
  reply.raw.once('close', () => stream.destroy());
  return {
    stream,
    isSlow: reader.isSlow,
    cut: () => void stream.destroy(new Error('the reader of the export is slow, and others wait')),
  };
}

/** Tells a slow reader from a slow database: only the time in which a piece waits counts. */
function watchReader(text: AsyncGenerator<string>, minBytesPerSecond: number) {
  let waitingSince: number | undefined;
  let isSlow = false;
  let written = 0;
  const pace = { since: performance.now(), taken: 0, waitedMs: 0 };
  const waitedMs = (): number =>
    waitingSince === undefined ? 0 : performance.now() - waitingSince;
  const waitedMsOfPace = (): number => Math.min(waitedMs(), performance.now() - pace.since);
  return {
    waitedMs,
    isSlow: () => isSlow,
    async *pieces(): AsyncGenerator<string> {
      for await (const piece of text) {
        waitingSince = performance.now();
        written += Buffer.byteLength(piece);
        yield piece;
        pace.waitedMs += waitedMsOfPace();
        waitingSince = undefined;
      }
    },
    /** Called often; judges the reader once in a while. @param buffered bytes not yet taken */
    measure(buffered: number): void {
      const now = performance.now();
      if (now - pace.since < PACE_MS) return;
      const waited = pace.waitedMs + waitedMsOfPace();
      const taken = written - buffered;
      isSlow = waited > PACE_MS / 2 && ((taken - pace.taken) * 1_000) / waited < minBytesPerSecond;
      Object.assign(pace, { since: now, taken, waitedMs: 0 });
    },
  };
}
