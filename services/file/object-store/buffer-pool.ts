/** An upload that fills a buffer with its client's bytes. */
export interface Filler {
  /** Bytes in the buffer so far. */
  filled(): number;
  /** Ends the upload, which is too slow while others wait. */
  cancel(): void;
}

/** A fixed number of buffers. */
export interface BufferPool {
  /**
   * Lends a buffer with undefined content; waiters are served in order.
   * @returns undefined at the time-out
   * @throws the signal's reason once it is aborted
   */
  acquire(filler: Filler, signal?: AbortSignal): Promise<Buffer | undefined>;
  /** Reports that the buffer waits for S3, not its client. */
  settle(buffer: Buffer): void;
  release(buffer: Buffer): void;
  /** For metrics and tests. */
  load(): { free: number; lent: number; waiting: number };
}

export interface BufferPoolOptions {
  buffers: number;
  bufferBytes: number;
  /** Longest wait for a buffer. */
  waitMs: number;
  /** Slower clients are ended while others wait. */
  minBytesPerSecond: number;
}

/** No client is judged by its rate before this time. */
const GRACE_MS = 5_000;

/**
 * The memory that a replica's uploads share. Without a buffer an upload's socket is not read, so
 * TCP slows its client. While uploads wait, the slowest client below the minimum rate is ended.
 */
export function createBufferPool({
  buffers,
  bufferBytes,
  waitMs,
  minBytesPerSecond,
}: BufferPoolOptions): BufferPool {
  const free: Buffer[] = [];
  const filling = new Map<Buffer, Filler & { since: number }>();
  const waiters = new Set<{ resolve(buffer: Buffer): void }>();
  let allocated = 0;
  let patrol: NodeJS.Timeout | undefined;

  function lend(buffer: Buffer, filler: Filler): Buffer {
    filling.set(buffer, { filled: filler.filled, cancel: filler.cancel, since: performance.now() });
    return buffer;
  }

  function endSlowest(): void {
    if (waiters.size === 0) {
      clearInterval(patrol);
      patrol = undefined;
      return;
    }
    const now = performance.now();
    const slow = [...filling.values()]
      .map((holder) => ({
        holder,
        ms: now - holder.since,
        rate: (holder.filled() * 1_000) / (now - holder.since),
      }))
      .filter(({ ms, rate }) => ms > GRACE_MS && rate < minBytesPerSecond)
      .sort((a, b) => a.rate - b.rate);
    slow[0]?.holder.cancel();
  }

  function wait(filler: Filler, signal: AbortSignal | undefined): Promise<Buffer | undefined> {
    patrol ??= setInterval(endSlowest, 250).unref();
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        waiters.delete(waiter);
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
      };
      const abort = (): void => {
        leave();
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        leave();
        resolve(undefined);
      }, waitMs);
      const waiter = {
        resolve(buffer: Buffer) {
          leave();
          resolve(lend(buffer, filler));
        },
      };
      waiters.add(waiter);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  return {
    async acquire(filler, signal) {
      signal?.throwIfAborted();
      const ready = free.pop();
      if (ready) return lend(ready, filler);
      if (allocated >= buffers) return wait(filler, signal);
      allocated += 1;
      // Without zeroes: only bytes that an upload has written are sent.
      return lend(Buffer.allocUnsafeSlow(bufferBytes), filler);
    },
    settle: (buffer) => void filling.delete(buffer),
    release(buffer) {
      filling.delete(buffer);
      // Passed on directly, so a newcomer cannot overtake the waiters.
      const [first] = waiters;
      if (first) first.resolve(buffer);
      else free.push(buffer);
    },
    load: () => ({ free: free.length, lent: allocated - free.length, waiting: waiters.size }),
  };
}
