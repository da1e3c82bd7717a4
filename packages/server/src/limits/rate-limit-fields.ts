import type { LimitRule } from './rules.ts';

/** How a limit stands: tries that are left, and seconds until all are there again. */
export interface LimitState {
  name: string;
  rule: LimitRule;
  remaining: number;
  resetSeconds: number;
}

/** `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10): Structured Field lists (RFC 9651), an item for each limit. */
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
