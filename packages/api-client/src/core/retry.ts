import type { Method } from './call.ts';
import { NoAnswer, Problem } from './problem.ts';

export interface RetryPolicy {
  /** Requests of one call, the first included. */
  maxAttempts: number;
  /** The longest first pause without Retry-After; each further one may be twice as long. */
  baseDelayMs: number;
  /** A longer Retry-After ends the call at once, and the caller may decide. */
  maxDelayMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = { maxAttempts: 4, baseDelayMs: 200, maxDelayMs: 30_000 };

/** Share of a Retry-After that is added at random: else all callers come back at once. */
const JITTER = 0.25;

/** A repeated request of these has the effect of one (RFC 9110 §9.2.2). */
const IDEMPOTENT = new Set<Method>(['GET', 'HEAD', 'PUT', 'DELETE']);
/** Of these answers nobody knows whether the request took effect. */
const UNCERTAIN = new Set([408, 502, 503, 504]);

export interface Repeatable {
  method: Method;
  /** Whether it has an Idempotency-Key. */
  isKeyed: boolean;
  /** False for a body that can be read once. */
  hasBodyAgain: boolean;
}

/** Refused before any work was done, or still being done under the same key. */
const isUndone = (failure: unknown): boolean =>
  failure instanceof Problem &&
  (failure.status === 429 || failure.code === 'idempotency_in_progress');

const isUncertain = (failure: unknown): boolean =>
  failure instanceof NoAnswer || (failure instanceof Problem && UNCERTAIN.has(failure.status));

function isWorthRepeating(request: Repeatable, failure: unknown): boolean {
  if (!request.hasBodyAgain) return false;
  if (isUndone(failure)) return true;
  return isUncertain(failure) && (request.isKeyed || IDEMPOTENT.has(request.method));
}

/**
 * The pause before the next attempt; undefined where there must be none.
 * @param attempt how many requests were made
 */
export function findRetryDelay(
  policy: RetryPolicy,
  request: Repeatable,
  { failure, attempt }: { failure: unknown; attempt: number },
): number | undefined {
  if (attempt >= policy.maxAttempts || !isWorthRepeating(request, failure)) return undefined;
  const wanted = failure instanceof Problem ? failure.retryAfterMs : undefined;
  const backOff = Math.min(policy.maxDelayMs, policy.baseDelayMs * 2 ** (attempt - 1));
  if (wanted === undefined) return Math.random() * backOff;
  if (wanted > policy.maxDelayMs) return undefined;
  return wanted + Math.random() * Math.max(policy.baseDelayMs, wanted * JITTER);
}
