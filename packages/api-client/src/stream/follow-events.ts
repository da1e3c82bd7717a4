import { NoAnswer, Problem } from '../core/problem.ts';
import { pause, timeoutError, untilAborted } from '../core/waiting.ts';
import { createEventParser, type EventParser, type ServerEvent } from './parse-events.ts';

export interface FollowOptions {
  /** Opens the stream behind an id; undefined begins with what comes from now on. */
  open(lastEventId: string | undefined): Promise<ReadableStream<Uint8Array>>;
  lastEventId: string | undefined;
  signal: AbortSignal | undefined;
  /** A stream that is silent for longer has died: ours has a heart-beat each 15 seconds. */
  idleTimeoutMs: number;
}

const DEFAULT_RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;
const PASSING = new Set([408, 429, 500, 502, 503, 504]);

/** Whether the stream may be open again in a moment. */
const isPassing = (error: unknown): boolean =>
  error instanceof NoAnswer || (error instanceof Problem && PASSING.has(error.status));

/** The next piece; undefined at the end, and where the connection is cut off or silent. */
async function readPiece(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  { signal, idleTimeoutMs }: FollowOptions,
): Promise<Uint8Array | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const idle = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(timeoutError('The stream is silent.')), idleTimeoutMs);
  });
  try {
    return (await untilAborted(signal, Promise.race([reader.read(), idle]))).value;
  } catch {
    signal?.throwIfAborted();
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

/** The events of one connection, until it ends in whatever way. */
async function* readEvents(
  body: ReadableStream<Uint8Array>,
  parser: EventParser,
  options: FollowOptions,
): AsyncGenerator<ServerEvent, void, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const piece = await readPiece(reader, options);
      if (piece === undefined) return;
      yield* parser.push(decoder.decode(piece, { stream: true }));
    }
  } finally {
    // Also when the caller leaves its loop: else the connection would stay open.
    reader.cancel().catch(() => undefined);
  }
}

/**
 * The events, over as many connections as it takes, each once and in order.
 * @throws Problem where the stream is refused, or the reason of the caller's signal
 */
export async function* followEvents(
  options: FollowOptions,
): AsyncGenerator<ServerEvent, void, void> {
  const { open, signal } = options;
  let lastEventId = options.lastEventId;
  let retryMs = DEFAULT_RETRY_MS;
  let failures = 0;
  for (;;) {
    let delayMs = retryMs * 2 ** failures;
    try {
      const body = await open(lastEventId);
      failures = 0;
      const parser = createEventParser(lastEventId ?? '');
      yield* readEvents(body, parser, options);
      // No id was sent: what follows begins anew.
      lastEventId = parser.lastEventId() === '' ? undefined : parser.lastEventId();
      retryMs = parser.retryMs() ?? retryMs;
      delayMs = retryMs;
    } catch (error) {
      signal?.throwIfAborted();
      if (!isPassing(error)) throw error;
      failures += 1;
      delayMs = Math.max(delayMs, (error instanceof Problem && error.retryAfterMs) || 0);
    }
    // At random, so that the readers of a replica that stops do not come back as one.
    await pause(Math.min(delayMs, MAX_RETRY_MS) * (0.5 + Math.random()), signal);
  }
}
