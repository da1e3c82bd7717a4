import type { FastifyBaseLogger } from 'fastify';
import { StreamCapacity, TooManyStreams } from '../errors.ts';

/** Why a stream ends. */
export type StreamEnd = 'gone' | 'revoked' | 'expired' | 'stalled' | 'stopping';

export interface StreamOptions {
  /** Whose it is, for the limit of each. */
  owner: string;
  /** When the token that opened it ends. */
  expiresAt: Date;
  /** The moment of which it is known that who opened it may still read, by the monotonic clock; undefined when they may not. */
  revalidate(): Promise<number | undefined>;
  /** Ends the connection without waiting for the reader. */
  destroy(): void;
}

export interface OpenStream {
  /** Set once the stream is to end. */
  readonly end: StreamEnd | undefined;
  /** Whether the right to read is known of a moment within the last second: else nothing of the trail may be written now. */
  isRevalidated(): boolean;
  /** Resolves at news (also such as came since the last rest), at the end, or after `ms`. */
  wait(ms: number): Promise<void>;
  wake(): void;
  /** Called around each piece handed to the connection; a reader that does not take it for too long is cut off. */
  setWriting(begins: boolean): void;
  close(end: StreamEnd): void;
}

export interface OpenStreamsOptions {
  max: number;
  maxPerOwner: number;
  stallMs: number;
  log: Pick<FastifyBaseLogger, 'warn'>;
  onEnd?(end: StreamEnd): void;
  /** Called when one was opened or is gone. */
  onSize?(size: number): void;
}

/** A revoked session's streams end within a second: a look each 400 ms, and nothing written on what is known of more than a second ago. */
const LOOK_MS = 400;
const VOUCHED_MS = 1_000;
/** For the last words; a reader that does not take them is cut off. */
const GRACE_MS = 300;
const RETRY_AFTER_SECONDS = 5;

interface Entry extends OpenStream, StreamOptions {
  handedAt: number | undefined;
  vouchedAt: number;
}

export interface OpenStreams {
  /** @throws stream_capacity, too_many_streams */
  open(options: StreamOptions): OpenStream;
  size(): number;
  wakeAll(): void;
  /** Ends all, and takes none from now on. */
  stop(): void;
}

/** The streams that this replica serves: how many, whether their readers may still read, and whether they take what they are given. */
export function createOpenStreams({
  max,
  maxPerOwner,
  stallMs,
  log,
  onEnd,
  onSize,
}: OpenStreamsOptions): OpenStreams {
  const entries = new Set<Entry>();
  let timer: NodeJS.Timeout | undefined;
  let stopping = false;

  async function vouch(entry: Entry): Promise<void> {
    const knownOf = await entry.revalidate();
    if (knownOf === undefined) entry.close('revoked');
    else entry.vouchedAt = knownOf;
  }

  async function look(): Promise<void> {
    for (const entry of entries) {
      if (Date.now() >= entry.expiresAt.getTime()) entry.close('expired');
      else if (entry.handedAt !== undefined && performance.now() - entry.handedAt > stallMs)
        entry.close('stalled');
    }
    // A database that does not answer says nothing about rights: nothing is written until it does.
    const looks = await Promise.allSettled(
      [...entries].filter(({ end }) => end === undefined).map(vouch),
    );
    const failed = looks.find((outcome) => outcome.status === 'rejected');
    if (failed)
      log.warn(
        { err: failed.reason },
        'the rights of open streams could not be confirmed; they wait',
      );
    for (const entry of entries) entry.wake();
  }

  function lookOn(): void {
    timer ??= setTimeout(
      () =>
        void look().finally(() => {
          timer = undefined;
          if (entries.size > 0) lookOn();
        }),
      LOOK_MS,
    );
  }

  function createEntry(options: StreamOptions): Entry {
    let waking: (() => void) | undefined;
    // News that came while nobody rested must not wait for the next ones.
    let woken = false;
    const entry: Entry = {
      ...options,
      end: undefined,
      handedAt: undefined,
      vouchedAt: performance.now(),
      isRevalidated: () => performance.now() - entry.vouchedAt < VOUCHED_MS,
      async wait(ms) {
        if (!woken) {
          await new Promise<void>((resolve) => {
            const alarm = setTimeout(resolve, ms);
            waking = () => {
              clearTimeout(alarm);
              resolve();
            };
          });
        }
        woken = false;
        waking = undefined;
      },
      wake() {
        woken = true;
        waking?.();
      },
      setWriting(begins) {
        entry.handedAt = begins ? performance.now() : undefined;
      },
      close(end) {
        if (entry.end === undefined) {
          Object.assign(entry, { end });
          onEnd?.(end);
          if (end !== 'gone')
            setTimeout(() => options.destroy(), end === 'stalled' ? 0 : GRACE_MS).unref();
        }
        if (end === 'gone' && entries.delete(entry)) onSize?.(entries.size);
        entry.wake();
      },
    };
    return entry;
  }

  return {
    open(options) {
      if (stopping || entries.size >= max)
        throw Object.assign(new StreamCapacity(), { retryAfter: RETRY_AFTER_SECONDS });
      let owned = 0;
      for (const { owner, end } of entries)
        if (owner === options.owner && end === undefined) owned += 1;
      if (owned >= maxPerOwner)
        throw Object.assign(new TooManyStreams(), { retryAfter: RETRY_AFTER_SECONDS });
      const entry = createEntry(options);
      entries.add(entry);
      onSize?.(entries.size);
      lookOn();
      return entry;
    },
    size: () => entries.size,
    wakeAll() {
      for (const entry of entries) entry.wake();
    },
    stop() {
      stopping = true;
      for (const entry of entries) entry.close('stopping');
    },
  };
}
