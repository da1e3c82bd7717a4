import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';

const CHECK_PAUSE_MS = 500;
const BUFFER_BYTES = 64 * 1024;

export interface WatchedStreamOptions {
  reply: FastifyReply;
  /** The reader is cut off after taking nothing for so long. */
  stallMs: number;
  /** Whether the reader may still read. A failure to find out changes nothing. */
  mayRead(): Promise<boolean>;
}

/** A text as a stream that ends with its reader's connection, right to read, or patience. */
export function createWatchedStream(
  text: AsyncGenerator<string>,
  { reply, stallMs, mayRead }: WatchedStreamOptions,
): Readable {
  let takenAt = performance.now();
  async function* observed(): AsyncGenerator<string> {
    for await (const piece of text) {
      yield piece;
      takenAt = performance.now();
    }
  }
  const stream = Readable.from(observed(), { objectMode: false, highWaterMark: BUFFER_BYTES });
  const timer = setInterval(() => {
    if (performance.now() - takenAt > stallMs)
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
  return stream;
}
