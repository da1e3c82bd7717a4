import { setTimeout as sleep } from 'node:timers/promises';

/** Waits, and returns at once when `signal` aborts. */
export async function abortableSleep(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}
