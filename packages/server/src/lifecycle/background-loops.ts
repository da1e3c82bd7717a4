import { setTimeout as sleep } from 'node:timers/promises';
import type { Rest } from '../audit/activity.ts';

/** Work beside requests: a relay, a consumer, a cleanup. */
export interface BackgroundLoop {
  name: string;
  /** @param rest of the fleet, in which the loop may look for work less often */
  start(rest?: Rest): void;
  /** Ends after the current work and releases leases. */
  stop(): Promise<void>;
}

/** What loops look for comes with an event, which ends the rest, or by the clock, and can wait. */
const REST_MS = 10_000;

/** Repeats `work` with a pause between, until stopped. A failure is reported and ends nothing. */
export function repeat(
  name: string,
  pauseMs: number,
  work: () => Promise<void>,
  onError: (error: unknown) => void,
): BackgroundLoop {
  const stopping = new AbortController();
  const { signal } = stopping;
  let running: Promise<void> = Promise.resolve();

  async function run(rest: Rest | undefined): Promise<void> {
    while (!signal.aborted) {
      let isDone = true;
      await work().catch((error: unknown) => {
        isDone = false;
        onError(error);
      });
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
      if (isDone && rest?.isResting() && pauseMs < REST_MS)
        await rest.untilWork(REST_MS - pauseMs, signal);
    }
  }

  return {
    name,
    start(rest) {
      running = run(rest);
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
