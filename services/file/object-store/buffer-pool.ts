/** Who fills a buffer as its client's bytes come. */
export interface Filler {
  /** Bytes in the buffer so far. */
  filled(): number;
  /** Told to end and to release the buffer: it is too slow while others wait. */
  giveWay(): void;
}

/** A fixed number of buffers, lent one at a time. */
export interface BufferPool {
  /**
   * A buffer of `bufferBytes`, its content undefined. Waits first come, first served.
   * @returns undefined when none came free within the pool's waiting time
   * @throws the signal's reason once it is aborted
   */
  acquire(filler: Filler, signal?: AbortSignal): Promise<Buffer | undefined>;
  /** From here on the buffer waits for S3 and no longer for a client. */
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
  /** Slower than this, over the whole time since it got its buffer, a client gives way to who waits. */
  minBytesPerSecond: number;
}

/** In this time a client has to show what it brings. */
const GRACE_MS = 5_000;

/**
 * The memory that all uploads of a replica share. Who finds none free does not read from its socket meanwhile, so TCP holds its client
 * back: the memory of uploads is `buffers × bufferBytes`, however many come. A buffer is allocated when it is first needed and the
 * one used last is lent first, so a replica that sees small files touches few pages. A few clients that drip would hold all buffers and keep
 * everybody out: while somebody waits, the slowest of those below the least rate is ended.
 */
export function createBufferPool({
  buffers,
  bufferBytes,
  waitMs,
  minBytesPerSecond,
}: BufferPoolOptions): BufferPool {
  const free: Buffer[] = [];
  const filling = new Map<Buffer, Filler & { since: number }>();
  const waiters = new Set<{ give(buffer: Buffer): void }>();
  let allocated = 0;
  let patrol: NodeJS.Timeout | undefined;

  function lend(buffer: Buffer, filler: Filler): Buffer {
    filling.set(buffer, {
      filled: filler.filled,
      giveWay: filler.giveWay,
      since: performance.now(),
    });
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
    slow[0]?.holder.giveWay();
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
        give(buffer: Buffer) {
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
      // Not from Node's shared slab, and without zeroes: no byte of it leaves that an upload has not written.
      return lend(Buffer.allocUnsafeSlow(bufferBytes), filler);
    },
    settle: (buffer) => void filling.delete(buffer),
    release(buffer) {
      filling.delete(buffer);
      // Handed over without becoming free in between: a newcomer cannot pass those who wait.
      const [first] = waiters;
      if (first) first.give(buffer);
      else free.push(buffer);
    },
    load: () => ({ free: free.length, lent: allocated - free.length, waiting: waiters.size }),
  };
}
