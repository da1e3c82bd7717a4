import { callbackify } from 'node:util';
import rateLimit, {
  type FastifyRateLimitStore,
  type FastifyRateLimitStoreCtor,
} from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { RecordRequestEvent, RequestContext } from '../audit/transactions.ts';
import { callerOf, networkOf, type CallerIdentity } from './caller.ts';
import { accessLimited } from './record-denial.ts';
import type { LocalLimits } from './local-limits.ts';
import type { Counted, Limits } from './limits.ts';
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
   * Counts a request by its caller. Of a known one the first refusal in a window is recorded.
   * @throws RateLimited
   */
  countRequest(request: FastifyRequest): Promise<void>;
  /** Counts a message of a WebSocket in the same way. @throws RateLimited */
  countMessage(
    request: RequestContext,
    what: { operation: string; limit?: LimitName },
  ): Promise<void>;
  /** Counts credentials that are missing or not valid, by network. @throws RateLimited */
  countRejection(request: Pick<CallerIdentity, 'ip'>): Promise<void>;
}

/**
 * Makes the app count. Requests are counted by the plugin over the budget that all replicas share,
 * not by its hooks: they run behind authentication, which refuses.
 */
export async function createRequestCount(
  app: FastifyInstance,
  limits: Limits,
  { local, record }: { local: LocalLimits; record: RecordRequestEvent },
): Promise<RequestCount> {
  await app.register(rateLimit, {
    global: false,
    max: (request) => limits.rule(limitOf(request)).burst,
    timeWindow: (request) => limits.rule(limitOf(request)).seconds * 1_000,
    store: storeOf(local),
    keyGenerator: (request) => countedOf(request).join('\0'),
    allowList: isOperational,
  });
  const check = app.createRateLimit();

  /** Of an unknown caller a refusal is no event: it would be about nobody. */
  function reportOf(
    request: RequestContext,
    what: { operation: string; limit: LimitName },
  ): (() => Promise<unknown>) | undefined {
    if (!request.principal && !request.viewer) return undefined;
    return () => record(request, accessLimited({ reason: 'limit', ...what }));
  }

  return {
    async countRequest(request) {
      if (!limits.enabled) return;
      const counted = await check(request);
      if (counted.isAllowed || !counted.isExceeded) return;
      const { operation = '' } = request.routeOptions.config;
      const report = reportOf(request, { operation, limit: limitOf(request) });
      await local.refuse(countedOf(request), counted.ttl / 1_000, report);
    },
    countMessage: (request, { operation, limit = 'requests' }) =>
      local.consume([limit, callerOf(request)], reportOf(request, { operation, limit })),
    // A limit of its own: guesses of tokens must not keep their network from signing in.
    countRejection: (request) => local.consume(['rejected_network', networkOf(request)]),
  };
}

/** Health probes and metrics must work under any load. */
const isOperational = ({ routeOptions: { url = '' } }: FastifyRequest): boolean =>
  url.startsWith('/health') || url === '/metrics';

const limitOf = ({ routeOptions }: FastifyRequest): LimitName =>
  routeOptions.config.limit ?? 'requests';
const countedOf = (request: FastifyRequest): Counted => [limitOf(request), callerOf(request)];

/** The plugin's keys are strings. */
function countedIn(key: string): Counted {
  const [name, caller = ''] = key.split('\0');
  return [name as LimitName, caller];
}

/** The store that the plugin counts in. It calls `new`, which returns the object. */
function storeOf(local: LocalLimits): FastifyRateLimitStoreCtor {
  const consume = callbackify(async (key: string) => {
    const { allowed, retrySeconds } = await local.tryConsume(countedIn(key));
    // The plugin refuses what exceeds its maximum; its count is not shown.
    return { current: allowed ? 1 : Number.MAX_SAFE_INTEGER, ttl: retrySeconds * 1_000 };
  });
  const store: FastifyRateLimitStore = {
    // The plugin passes arguments after the callback, but `callbackify` needs it last.
    incr: (key, callback) => consume(key, callback),
    child: () => store,
  };
  return function makeStore() {
    return store;
  } as unknown as FastifyRateLimitStoreCtor;
}

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
