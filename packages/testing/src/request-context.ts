import type { Principal } from '@muniment/security';

interface RequestContext {
  readonly id: string;
  readonly ip: string;
  readonly headers: { readonly 'user-agent'?: string | undefined };
  readonly principal: Principal | null;
  readonly traceparent: string | null;
}

/** A request as `inTransaction` reads it, without a caller by default. */
export function requestContext(overrides: Partial<RequestContext> = {}): RequestContext {
  return {
    id: 'f'.repeat(32),
    ip: '203.0.113.9',
    headers: {},
    principal: null,
    traceparent: null,
    ...overrides,
  };
}
