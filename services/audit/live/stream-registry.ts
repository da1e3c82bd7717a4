import type { FastifyBaseLogger } from 'fastify';
import { StreamCapacity, TooManyStreams } from '../errors.ts';
import {
  createOpenStream,
  type OpenStream,
  type StreamOptions,
  type WatchedStream,
} from './open-stream.ts';
import type { StreamEnd } from './stream-end.ts';

export interface StreamRegistryOptions {
  max: number;
  maxPerOwner: number;
  stallMs: number;
  log: Pick<FastifyBaseLogger, 'warn'>;
  onEnd?(end: StreamEnd): void;
  /** Called when a stream was opened or is gone. */
  onSize?(size: number): void;
}

export interface StreamRegistry {
  /** @throws StreamCapacity, TooManyStreams */
  open(options: StreamOptions): OpenStream;
  size(): number;
  wakeAll(): void;
  /**
   * Ends all streams, and each later one right behind its opening. A refusal would be worse: an
   * EventSource connects again after an end and never after an error.
   */
  stop(): void;
}

/** A revoked session's streams end within a second: rights are checked each 400 ms. */
const CHECK_PAUSE_MS = 400;
const RETRY_AFTER_SECONDS = 5;

/** The open streams of this replica: their number, their readers' rights, and stalled readers. */
export function createStreamRegistry(options: StreamRegistryOptions): StreamRegistry {
  const { max, maxPerOwner, stallMs, log, onEnd, onSize } = options;
  const streams = new Set<WatchedStream>();
  let timer: NodeJS.Timeout | undefined;
  let isStopping = false;

  function startChecking(): void {
    timer ??= setTimeout(
      () =>
        void checkStreams(streams, { stallMs, log }).finally(() => {
          timer = undefined;
          if (streams.size > 0) startChecking();
        }),
      CHECK_PAUSE_MS,
    );
  }

  function requireRoom(owner: string): void {
    const retryAfter = RETRY_AFTER_SECONDS;
    if (streams.size >= max) throw Object.assign(new StreamCapacity(), { retryAfter });
    if (countOpen(streams, owner) >= maxPerOwner)
      throw Object.assign(new TooManyStreams(), { retryAfter });
  }

  return {
    open(streamOptions) {
      requireRoom(streamOptions.owner);
      const stream = createOpenStream(streamOptions, {
        onEnd: (end) => onEnd?.(end),
        onGone: (gone) => {
          if (streams.delete(gone)) onSize?.(streams.size);
        },
      });
      streams.add(stream);
      onSize?.(streams.size);
      if (isStopping) stream.close('stopping');
      else startChecking();
      return stream;
    },
    size: () => streams.size,
    wakeAll() {
      for (const stream of streams) stream.wake();
    },
    stop() {
      isStopping = true;
      for (const stream of streams) stream.close('stopping');
    },
  };
}

function countOpen(streams: Iterable<WatchedStream>, owner: string): number {
  let count = 0;
  for (const stream of streams) if (stream.owner === owner && stream.end === undefined) count += 1;
  return count;
}

/** Ends streams that expired, stalled or lost their right, and wakes the others. */
async function checkStreams(
  streams: ReadonlySet<WatchedStream>,
  { stallMs, log }: Pick<StreamRegistryOptions, 'stallMs' | 'log'>,
): Promise<void> {
  for (const stream of streams) {
    const { writingSince } = stream;
    if (Date.now() >= stream.expiresAt.getTime()) stream.close('expired');
    else if (writingSince !== undefined && performance.now() - writingSince > stallMs)
      stream.close('stalled');
  }
  // A database that does not answer says nothing about rights: streams wait until it does.
  const open = [...streams].filter(({ end }) => end === undefined);
  const outcomes = await Promise.allSettled(open.map(revalidate));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed)
    log.warn(
      { err: failed.reason },
      'the rights of open streams could not be confirmed; they wait',
    );
  for (const stream of streams) stream.wake();
}

async function revalidate(stream: WatchedStream): Promise<void> {
  const confirmedAt = await stream.revalidate();
  if (confirmedAt === undefined) stream.close('revoked');
  else stream.revalidatedAt = confirmedAt;
}
