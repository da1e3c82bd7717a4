const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Pauses behind the first, second ... attempt that failed: the schedule that Standard Webhooks 1.0.0 gives. Ten attempts in 75 hours. */
export const RETRY_DELAYS_MS: readonly number[] = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];

const JITTER = 0.2;
/** A receiver may ask for a later time, but not for never. */
const MAX_ASKED_MS = 24 * HOUR;

/**
 * How long to wait behind an attempt that failed; undefined when it was the last.
 * @param attempts made so far, 1 at least
 * @param askedMs what the receiver asked for by Retry-After
 */
export function retryDelay(
  attempts: number,
  askedMs = 0,
  delays: readonly number[] = RETRY_DELAYS_MS,
): number | undefined {
  const delay = delays[attempts - 1];
  // Earlier or later by chance: what failed at one time for being too much would come back at one time.
  return delay === undefined
    ? undefined
    : Math.max(delay * (1 - JITTER + 2 * JITTER * Math.random()), Math.min(askedMs, MAX_ASKED_MS));
}

/** With so many failures in a row the endpoint counts as down: one attempt at a time probes it, and nothing new is taken from the log. */
export const DOWN_AFTER_FAILURES = 10;
const PROBE_BASE_MS = 10 * SECOND;
const PROBE_MAX_MS = 15 * MINUTE;

/** How long an endpoint that is down is left alone. 0 while it is not. */
export function probeDelay(failures: number): number {
  if (failures < DOWN_AFTER_FAILURES) return 0;
  return (
    Math.min(PROBE_BASE_MS * 2 ** Math.min(failures - DOWN_AFTER_FAILURES, 10), PROBE_MAX_MS) *
    (1 - JITTER + 2 * JITTER * Math.random())
  );
}
