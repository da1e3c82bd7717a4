import { setTimeout as sleep } from 'node:timers/promises';
import type { Activity } from '../audit/activity.ts';

/** Work beside requests: a relay, a consumer, a cleanup. */
export interface BackgroundLoop {
  name: string;
  /** @param activity of the fleet: while it rests, the loop may look for work less often */
  start(activity?: Pick<Activity, 'isResting' | 'untilWork'>): void;
  /** Ends after the current work and releases leases. */
  stop(): Promise<void>;
}

/** What loops look for comes with an event, which ends the rest, or by the clock, and can wait. */
const REST_MS = 5_000;

/** Repeats `work` with a pause between, until stopped. A failure is reported and ends nothing. */
export function repeat(
  name: string,
  pauseMs: number,
  work: () => Promise<void>,
  onError: (error: unknown) => void,
): BackgroundLoop {
  const stopping = new AbortController();
  const { signal } = stopping;
  let rounds: Promise<void> = Promise.resolve();
  const run: (...args: Parameters<BackgroundLoop['start']>) => Promise<void> = async (activity) => {
    while (!signal.aborted) {
      await work().catch(onError);
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
      if (activity?.isResting() && pauseMs < REST_MS)
        await activity.untilWork(REST_MS - pauseMs, signal);
    }
  };
  return {
    name,
    start(activity) {
      rounds = run(activity);
    },
    async stop() {
      stopping.abort();
      await rounds;
    },
  };
}
