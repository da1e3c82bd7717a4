import type { LoggedEvent } from '../trail/log-queries.ts';
import { formatComment, formatEvent, formatHeartbeat, formatOpening } from './event-source.ts';
import type { OpenStream, StreamEnd } from './open-stream.ts';

/** The part of the log that a stream shows. */
export interface Feed {
  /** What to show behind a position, and the position up to which that is all. Equal: no news. */
  next(position: number): Promise<{ events: readonly LoggedEvent[]; upTo: number }>;
  /** One JSON text each; undefined where the personal values, once opened, do not match. */
  render(events: readonly LoggedEvent[]): Promise<(string | undefined)[]>;
  /** Whether the log cannot be read now, but may be in a moment. */
  isUnavailable(error: unknown): boolean;
}

/** Entries rendered per write: a slow reader holds no more than these in memory. */
const WRITE_SIZE = 32;
const RETRY_MS = 1_000;
const OUTAGE_PAUSE_MS = 500;

const END_COMMENTS: Record<StreamEnd, string> = {
  gone: '',
  revoked: 'the session has ended',
  expired: 'the token has expired',
  stalled: 'nothing was read for too long',
  stopping: 'this replica stops; connect again',
};

/** Spreads the reconnects: a replica that stops sends all its readers to the others. */
const chooseRetryMs = (): number => Math.round(RETRY_MS * (1 + Math.random()));

/**
 * The text of one stream from a position on. The position is its only state: a reader that falls
 * behind is served from the log, and neither loses nor doubles an event.
 */
export async function* followLog(
  stream: OpenStream,
  feed: Feed,
  { start, heartbeatMs }: { start: number; heartbeatMs: number },
): AsyncGenerator<string, void, void> {
  let position = start;
  let writtenAt = performance.now();

  function* write(text: string): Generator<string, void, void> {
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
      // Checked before each write, as the last one may have waited long. The rest is read again
      // later.
      if (stream.end !== undefined || !stream.isRevalidated()) return stream.wait(OUTAGE_PAUSE_MS);
      const batch = events.slice(at, at + WRITE_SIZE);
      const text = formatEvents(batch, await feed.render(batch));
      if (text !== '') yield* write(text);
      position = batch.at(-1)?.index ?? position;
    }
    position = upTo;
  }

  yield* write(formatOpening(chooseRetryMs(), start));
  while (stream.end === undefined) {
    const silentMs = performance.now() - writtenAt;
    if (silentMs >= heartbeatMs) yield* write(formatHeartbeat(position));
    try {
      const { events, upTo } = await feed.next(position);
      if (upTo === position) await stream.wait(Math.max(1, heartbeatMs - silentMs));
      else yield* writeEvents(events, upTo);
    } catch (error) {
      if (!feed.isUnavailable(error)) throw error;
      await stream.wait(OUTAGE_PAUSE_MS);
    }
  }
  yield formatComment(END_COMMENTS[stream.end]);
}

const formatEvents = (
  events: readonly LoggedEvent[],
  entries: readonly (string | undefined)[],
): string =>
  events
    .map(({ index }, n) => (entries[n] === undefined ? '' : formatEvent(index, entries[n])))
    .join('');
