const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/**
 * Pauses after the first, second ... failed attempt (Standard Webhooks 1.0.0): ten attempts in 75
 * hours.
 */
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
 * The delay after a failed attempt, in milliseconds; undefined after the last one.
 * @param attempts made so far, at least 1
 * @param askedMs the receiver's Retry-After
 */
export function retryDelay(
  attempts: number,
  askedMs = 0,
  delays: readonly number[] = RETRY_DELAYS_MS,
): number | undefined {
  const delay = delays[attempts - 1];
  // With jitter: deliveries that overloaded a receiver together must not return together.
  return delay === undefined
    ? undefined
    : Math.max(delay * (1 - JITTER + 2 * JITTER * Math.random()), Math.min(askedMs, MAX_ASKED_MS));
}

/** From this many failures in a row the endpoint is down: one attempt at a time probes it. */
export const DOWN_AFTER_FAILURES = 10;
const PROBE_BASE_MS = 10 * SECOND;
const PROBE_MAX_MS = 15 * MINUTE;

/** How long a down endpoint is left alone, in milliseconds. 0 while it is not down. */
export function probeDelay(failures: number): number {
  if (failures < DOWN_AFTER_FAILURES) return 0;
  return (
    Math.min(PROBE_BASE_MS * 2 ** Math.min(failures - DOWN_AFTER_FAILURES, 10), PROBE_MAX_MS) *
    (1 - JITTER + 2 * JITTER * Math.random())
  );
}
