import { Overloaded } from '../errors.ts';

export interface ConcurrencyLimitOptions {
  concurrency: number;
  /** Jobs that may wait beyond that. */
  queueLimit: number;
}

/** Runs work at a bounded concurrency, first come first served, with a bounded queue before it. */
export function createConcurrencyLimit({ concurrency, queueLimit }: ConcurrencyLimitOptions) {
  const waiting: (() => void)[] = [];
  const whenIdle: (() => void)[] = [];
  let running = 0;
  let closed = false;

  return {
    /** @throws Overloaded at once, without starting the work, when the queue is full or closed */
    async run<T>(work: () => Promise<T>): Promise<T> {
      if (closed || (running >= concurrency && waiting.length >= queueLimit))
        throw new Overloaded();
      // A finished job passes its place to the first in the queue without freeing it, so a
      // newcomer can never exceed `concurrency`.
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
