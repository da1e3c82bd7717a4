const FIRST_MS = 5_000;
const MOST_MS = 15 * 60_000;
const JITTER = 0.2;

/**
 * How long to wait behind an attempt that failed: twice as long each time, a quarter of an hour at most (a link that is asked for is wanted now), and
 * earlier or later by chance, so that what failed at one time does not come back at one time.
 * @param attempts made so far, 1 at least
 */
export function retryDelay(attempts: number): number {
  return (
    Math.min(FIRST_MS * 2 ** Math.min(attempts - 1, 20), MOST_MS) *
    (1 - JITTER + 2 * JITTER * Math.random())
  );
}
