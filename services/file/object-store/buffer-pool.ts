/** An upload that fills a buffer with its client's bytes. */
export interface Filler {
  /** Whose upload it is: callers share the buffers. */
  owner: string;
  /** Bytes in the buffer so far. */
  filled(): number;
  /** Ends the upload, which is too slow while others wait. */
  cancel(): void;
}

/** A fixed number of buffers. */
export interface BufferPool {
  /**
   * Lends a buffer with undefined content. The caller who holds the fewest is served first, and
   * each caller's uploads in order.
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

interface Holder extends Filler {
  since: number;
  /** False while the buffer waits for S3. */
  isFilling: boolean;
}

interface Waiter {
  owner: string;
  resolve(buffer: Buffer): void;
}

/**
 * The memory that a replica's uploads share. Without a buffer an upload's socket is not read, so
 * TCP slows its client. While uploads wait, the slowest client below the minimum rate is ended,
 * then the slowest of a caller who holds more than a waiting one.
 */
export function createBufferPool({
  buffers,
  bufferBytes,
  waitMs,
  minBytesPerSecond,
}: BufferPoolOptions): BufferPool {
  const free: Buffer[] = [];
  const held = new Map<Buffer, Holder>();
  const waiters = new Set<Waiter>();
  let allocated = 0;
  let patrol: NodeJS.Timeout | undefined;

  function lend(buffer: Buffer, filler: Filler): Buffer {
    held.set(buffer, { ...filler, since: performance.now(), isFilling: true });
    return buffer;
  }

  /** Ends one upload at a time: its buffer may be all that is needed. */
  function makeRoom(): void {
    if (waiters.size === 0) {
      clearInterval(patrol);
      patrol = undefined;
      return;
    }
    const slowest = slowestFirst(held);
    const countOf = countByOwner(held);
    const fewest = Math.min(...[...waiters].map(countOf));
    // Once a buffer has changed hands, its old owner still holds no fewer than its new one.
    const isCrowding = (holder: Holder): boolean => countOf(holder) > fewest + 1;
    const ended =
      slowest.find(({ rate }) => rate < minBytesPerSecond) ??
      slowest.find(({ holder }) => isCrowding(holder));
    ended?.holder.cancel();
  }

  function wait(filler: Filler, signal: AbortSignal | undefined): Promise<Buffer | undefined> {
    patrol ??= setInterval(makeRoom, 250).unref();
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
      const waiter: Waiter = {
        owner: filler.owner,
        resolve(buffer) {
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
    settle(buffer) {
      const holder = held.get(buffer);
      if (holder) holder.isFilling = false;
    },
    release(buffer) {
      held.delete(buffer);
      const countOf = countByOwner(held);
      // The sort is stable: of those who hold the fewest, who came first.
      const [next] = [...waiters].toSorted((a, b) => countOf(a) - countOf(b));
      // Passed on directly, so a newcomer cannot overtake the waiters.
      if (next) next.resolve(buffer);
      else free.push(buffer);
    },
    load: () => ({ free: free.length, lent: allocated - free.length, waiting: waiters.size }),
  };
}

/** @returns how many buffers the owner of an upload holds */
function countByOwner(held: ReadonlyMap<Buffer, Holder>): (upload: { owner: string }) => number {
  const byOwner = Map.groupBy(held.values(), ({ owner }) => owner);
  return ({ owner }) => byOwner.get(owner)?.length ?? 0;
}

interface JudgedHolder {
  holder: Holder;
  /** Bytes per second. */
  rate: number;
}

/** Clients that have filled for longer than the grace. */
function slowestFirst(held: ReadonlyMap<Buffer, Holder>): JudgedHolder[] {
  const now = performance.now();
  return [...held.values()]
    .filter(({ isFilling, since }) => isFilling && now - since > GRACE_MS)
    .map((holder) => ({ holder, rate: (holder.filled() * 1_000) / (now - holder.since) }))
    .toSorted((a, b) => a.rate - b.rate);
}
