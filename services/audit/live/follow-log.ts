import type { StoredCheckpoint } from '../proofs/tree/checkpoint-queries.ts';
import type { LoggedEvent } from '../trail/log-queries.ts';
import { formatHeartbeat, formatOpening } from './event-source.ts';
import type { OpenStream } from './open-stream.ts';
import { formatEnd } from './stream-end.ts';
import type { StreamFormat } from './stream-format.ts';

/** The part of the log that a stream shows. */
export interface Feed {
  format: StreamFormat;
  /** What to show behind a position, and the position up to which that is all. Equal: no news. */
  next(position: number): Promise<{ events: readonly LoggedEvent[]; upTo: number }>;
  /** The newest signed head, as far as it is known. */
  checkpoint(): StoredCheckpoint | undefined;
  /** Whether the log cannot be read now, but may be in a moment. */
  isUnavailable(error: unknown): boolean;
}

export interface FollowOptions {
  start: number;
  /** The format's text before the first event. */
  opening: string;
  heartbeatMs: number;
}

/** Entries rendered per write: a slow reader holds no more than these in memory. */
const WRITE_SIZE = 32;
const RETRY_MS = 1_000;
const OUTAGE_PAUSE_MS = 500;

/** Whether anything may be written about the log. */
const mayWrite = (stream: OpenStream): boolean =>
  stream.end === undefined && stream.isRevalidated();

/** Spreads the reconnects: a replica that stops sends all its readers to the others. */
const chooseRetryMs = (): number => Math.round(RETRY_MS * (1 + Math.random()));

/**
 * The text of one stream from a position on. The position is its only state: a reader that falls
 * behind is served from the log, and neither loses nor doubles an event.
 */
export async function* followLog(
  stream: OpenStream,
  feed: Feed,
  { start, opening, heartbeatMs }: FollowOptions,
): AsyncGenerator<string, void, void> {
  const { format } = feed;
  let position = start;
  let signedSize = 0;
  let writtenAt = performance.now();

  function* write(text: string): Generator<string, void, void> {
    if (text === '') return;
    stream.setWriting(true);
    yield text;
    stream.setWriting(false);
    writtenAt = performance.now();
  }

  async function* writeEvents(
    events: readonly LoggedEvent[],
    upTo: number,
  ): AsyncGenerator<string, void, void> {
    for (let at = 0; at < events.length; at += WRITE_SIZE) {
      // Before each write, as the last one may have waited long. The rest is read again later.
      if (!mayWrite(stream)) return stream.wait(OUTAGE_PAUSE_MS);
      const batch = events.slice(at, at + WRITE_SIZE);
      yield* write(await format.events(batch));
      position = batch.at(-1)?.index ?? position;
    }
    position = upTo;
  }

  async function* writeCheckpoint(): AsyncGenerator<string, void, void> {
    const signed = feed.checkpoint();
    if (!signed || signed.size <= signedSize || signed.size > position + 1) return;
    if (!mayWrite(stream)) return;
    yield* write(await format.checkpoint(signed));
    signedSize = signed.size;
  }

  yield* write(`${formatOpening(chooseRetryMs(), start)}${opening}`);
  while (stream.end === undefined) {
    const silentMs = performance.now() - writtenAt;
    try {
      if (silentMs >= heartbeatMs)
        yield* write(`${await format.skipTo(position)}${formatHeartbeat(position)}`);
      const { events, upTo } = await feed.next(position);
      const isNews = upTo !== position;
      if (isNews) yield* writeEvents(events, upTo);
      yield* writeCheckpoint();
      if (!isNews) await stream.wait(Math.max(1, heartbeatMs - silentMs));
    } catch (error) {
      if (!feed.isUnavailable(error)) throw error;
      await stream.wait(OUTAGE_PAUSE_MS);
    }
  }
  yield formatEnd(stream.end);
}
