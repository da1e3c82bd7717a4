const FIRST_DELAY_MS = 5_000;
const MAX_DELAY_MS = 15 * 60_000;
const JITTER = 0.2;

/**
 * Milliseconds until the next attempt, doubled each time, with jitter against bursts.
 * @param attempts made so far, at least 1
 */
export function retryDelay(attempts: number): number {
  const delay = Math.min(FIRST_DELAY_MS * 2 ** Math.min(attempts - 1, 20), MAX_DELAY_MS);
  return delay * (1 - JITTER + 2 * JITTER * Math.random());
}
