import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { RecordRequestEvent, RequestContext } from '../audit/transactions.ts';
import { callerOf, networkOf, type CallerIdentity } from './caller.ts';
import { accessLimited } from './record-denial.ts';
import type { LocalLimits } from './local-limits.ts';
import type { Counted } from './limits.ts';
import { rateLimitFields } from './rate-limit-fields.ts';
import type { LimitName } from './rules.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The limit that counts the route's requests; absent: `requests`. */
    limit?: LimitName;
  }
}

/** Counts requests and WebSocket messages, which are requests of their own. */
export interface RequestCount {
  /**
   * Counts by the caller. Of a known one the first refusal in a window is recorded.
   * @throws RateLimited
   */
  countRequest(
    request: RequestContext,
    what: { operation: string; limit?: LimitName },
  ): Promise<void>;
  /** Counts credentials that are missing or not valid, by network. @throws RateLimited */
  countRejection(request: Pick<CallerIdentity, 'ip'>): Promise<void>;
}

export function createRequestCount(local: LocalLimits, record: RecordRequestEvent): RequestCount {
  return {
    countRequest(request, { operation, limit = 'requests' }) {
      const denied = { reason: 'limit', limit, operation };
      const isKnown = request.principal !== null || Boolean(request.viewer);
      const onFirstRefusal = () => record(request, accessLimited(denied));
      return local.consume([limit, callerOf(request)], isKnown ? onFirstRefusal : undefined);
    },
    // A limit of its own: guesses of tokens must not keep their network from signing in.
    countRejection: (request) => local.consume(['rejected_network', networkOf(request)]),
  };
}

/** Health probes and metrics must work under any load. */
export const isOperational = ({ routeOptions: { url = '' } }: FastifyRequest): boolean =>
  url.startsWith('/health') || url === '/metrics';

const countedOf = (request: FastifyRequest): Counted => [
  request.routeOptions.config.limit ?? 'requests',
  callerOf(request),
];

/** States the caller's limit in every answer. */
export function stateLimits(app: FastifyInstance, local: Pick<LocalLimits, 'state'>): void {
  app.addHook('onSend', (request, reply, _payload, done) => {
    const state =
      reply.hasHeader('ratelimit') || isOperational(request)
        ? undefined
        : local.state(countedOf(request));
    if (state) reply.headers(rateLimitFields([state]));
    done();
  });
}
