import { Overloaded } from '../errors.ts';

export interface ConcurrencyLimitOptions {
  concurrency: number;
  /** Jobs that may wait beyond that. */
  queueLimit: number;
}

/** Runs work at a bounded concurrency, first come first served, behind a bounded queue. */
export function createConcurrencyLimit({ concurrency, queueLimit }: ConcurrencyLimitOptions) {
  const waiting: (() => void)[] = [];
  const whenIdle: (() => void)[] = [];
  let running = 0;
  let closed = false;

  return {
    /** @throws Overloaded at once when the queue is full or closed */
    async run<T>(work: () => Promise<T>): Promise<T> {
      if (closed || (running >= concurrency && waiting.length >= queueLimit))
        throw new Overloaded();
      // A finished job passes its place on without freeing it, so newcomers cannot overtake.
      if (running >= concurrency) await new Promise<void>((resolve) => waiting.push(resolve));
      else running++;
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next) next();
        else if (--running === 0) for (const resolve of whenIdle.splice(0)) resolve();
      }
    },

    /** For metrics. */
    load: () => ({ running, waiting: waiting.length }),

    /** Refuses new work, and resolves when all accepted work is done. */
    async close(): Promise<void> {
      closed = true;
      if (running > 0) await new Promise<void>((resolve) => whenIdle.push(resolve));
    },
  };
}
