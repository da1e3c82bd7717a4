import type { LimitRule } from './rules.ts';

/** A limit's remaining attempts, and the seconds until all are available again. */
export interface LimitState {
  name: string;
  rule: LimitRule;
  remaining: number;
  resetSeconds: number;
}

/** Headers of draft-ietf-httpapi-ratelimit-headers-10: Structured Field lists (RFC 9651). */
export function rateLimitFields(states: readonly LimitState[]): {
  'ratelimit-policy': string;
  ratelimit: string;
} {
  return {
    'ratelimit-policy': states
      .map(({ name, rule }) => `"${name}";q=${rule.burst};w=${rule.seconds}`)
      .join(', '),
    ratelimit: states
      .map(
        ({ name, remaining, resetSeconds }) =>
          `"${name}";r=${Math.max(0, remaining)};t=${Math.ceil(resetSeconds)}`,
      )
      .join(', '),
  };
}
