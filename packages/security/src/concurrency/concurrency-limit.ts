import { Overloaded } from '../errors.ts';

export type ConcurrencyLimitOptions = {
  /** How much may run at once. */
  concurrency: number;
  /** How much may wait beyond that. */
  queueLimit: number;
};

/**
 * Runs work at a bounded concurrency, first come first served, with a bounded queue before it; past both, `run` rejects
 * with `overloaded` at once and the work is never begun.
 */
export const createConcurrencyLimit = ({ concurrency, queueLimit }: ConcurrencyLimitOptions) => {
  const waiting: (() => void)[] = [];
  const whenIdle: (() => void)[] = [];
  let running = 0;
  let closed = false;

  return {
    async run<T>(work: () => Promise<T>): Promise<T> {
      if (closed || (running >= concurrency && waiting.length >= queueLimit))
        throw new Overloaded();
      // The place is handed from a finished job to the first in the queue without being freed between: a newcomer cannot
      // slip in and make more than `concurrency` run.
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

    /** Takes nothing new, and resolves when all that was taken is done. */
    close: async (): Promise<void> => {
      closed = true;
      if (running > 0) await new Promise<void>((resolve) => whenIdle.push(resolve));
    },
  };
};
