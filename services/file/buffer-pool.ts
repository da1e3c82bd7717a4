/** A fixed number of buffers, lent one at a time. */
export interface BufferPool {
  /**
   * A buffer of `bufferBytes`, its content undefined. Waits first come, first served.
   * @returns undefined when none came free within the pool's waiting time
   * @throws the signal's reason once it is aborted
   */
  acquire(signal?: AbortSignal): Promise<Buffer | undefined>;
  release(buffer: Buffer): void;
  /** For metrics and tests. */
  load(): { free: number; lent: number; waiting: number };
}

export interface BufferPoolOptions {
  buffers: number;
  bufferBytes: number;
  waitMs: number;
}

interface Waiter {
  give(buffer: Buffer): void;
}

/**
 * The memory that all uploads of a replica share. Who finds none free does not read from its socket meanwhile, so TCP holds its client
 * back: the memory of uploads is `buffers × bufferBytes`, however many come. A buffer is allocated when it is first needed and the
 * one used last is lent first, so a replica that sees small files touches few pages.
 */
export function createBufferPool({ buffers, bufferBytes, waitMs }: BufferPoolOptions): BufferPool {
  const free: Buffer[] = [];
  const waiters = new Set<Waiter>();
  let allocated = 0;

  function wait(signal: AbortSignal | undefined): Promise<Buffer | undefined> {
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
        give(buffer) {
          leave();
          resolve(buffer);
        },
      };
      waiters.add(waiter);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  return {
    async acquire(signal) {
      signal?.throwIfAborted();
      const ready = free.pop();
      if (ready) return ready;
      if (allocated >= buffers) return wait(signal);
      allocated += 1;
      // Not from Node's shared slab, and without zeroes: no byte of it leaves that an upload has not written.
      return Buffer.allocUnsafeSlow(bufferBytes);
    },
    release(buffer) {
      // Handed over without becoming free in between: a newcomer cannot pass those who wait.
      const [first] = waiters;
      if (first) first.give(buffer);
      else free.push(buffer);
    },
    load: () => ({ free: free.length, lent: allocated - free.length, waiting: waiters.size }),
  };
}
