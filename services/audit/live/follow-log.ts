import { formatComment, formatHeartbeat, formatEvent, formatOpening } from './event-source.ts';
import type { OpenStream, StreamEnd } from './open-streams.ts';
import type { LoggedEvent } from '../trail/log-queries.ts';

/** The part of the log that a stream shows. */
export interface Feed {
  /** What is to be shown of the log behind a position, and the position up to which that is all. The same one again: there is no news. */
  next(position: number): Promise<{ events: readonly LoggedEvent[]; upTo: number }>;
  /** As JSON, one text for each; undefined for what turns out not to be wanted once its personal values are read. */
  render(events: readonly LoggedEvent[]): Promise<(string | undefined)[]>;
  /** Whether an error means that the log cannot be read now, and may be in a moment. */
  isUnavailable(error: unknown): boolean;
}

/** Entries written at once: rendered only when the reader takes them, so that a slow one holds no more than these in memory. */
const CHUNK = 32;
const RETRY_MS = 1_000;
const OUTAGE_PAUSE_MS = 500;

const LAST_WORDS: Record<StreamEnd, string> = {
  gone: '',
  revoked: 'the session has ended',
  expired: 'the token has expired',
  stalled: 'nothing was read for too long',
  stopping: 'this replica stops; connect again',
};

/** Not all at once: a replica that stops sends its readers to the others. */
const retry = (): number => Math.round(RETRY_MS * (1 + Math.random()));

/**
 * The text of one stream from a position on, for as long as it may last. Position is all the state there is: each event is taken from behind
 * it, wherever it lies now, so a reader that falls behind loses and doubles nothing.
 */
export async function* followLog(
  stream: OpenStream,
  feed: Feed,
  start: number,
  heartbeatMs: number,
): AsyncGenerator<string, void, void> {
  let position = start;
  let spokeAt = performance.now();

  function* handed(text: string): Generator<string, void, void> {
    stream.setWriting(true);
    yield text;
    stream.setWriting(false);
    spokeAt = performance.now();
  }

  async function* shown(
    events: readonly LoggedEvent[],
    upTo: number,
  ): AsyncGenerator<string, void, void> {
    for (let at = 0; at < events.length; at += CHUNK) {
      // Asked before each piece: the one before may have waited for its reader for long. What is left is taken from the log again.
      if (stream.end !== undefined || !stream.isRevalidated()) return stream.wait(OUTAGE_PAUSE_MS);
      const chunk = events.slice(at, at + CHUNK);
      const entries = await feed.render(chunk);
      const text = chunk
        .map(({ index }, n) => (entries[n] === undefined ? '' : formatEvent(index, entries[n])))
        .join('');
      if (text !== '') yield* handed(text);
      position = chunk.at(-1)?.index ?? position;
    }
    position = upTo;
  }

  yield* handed(formatOpening(retry(), start));
  while (stream.end === undefined) {
    const silentMs = performance.now() - spokeAt;
    if (silentMs >= heartbeatMs) yield* handed(formatHeartbeat(position));
    try {
      const { events, upTo } = await feed.next(position);
      if (upTo === position) await stream.wait(Math.max(1, heartbeatMs - silentMs));
      else yield* shown(events, upTo);
    } catch (error) {
      if (!feed.isUnavailable(error)) throw error;
      await stream.wait(OUTAGE_PAUSE_MS);
    }
  }
  yield formatComment(LAST_WORDS[stream.end]);
}
