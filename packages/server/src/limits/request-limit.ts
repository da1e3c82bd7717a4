import { callbackify } from 'node:util';
import rateLimit, {
  type FastifyRateLimitStore,
  type FastifyRateLimitStoreCtor,
} from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { callerOf } from '../auth/caller.ts';
import type { LocalLimits } from './local-limits.ts';
import type { LimitName } from './rules.ts';
import { rateLimited, type Counted, type Limits } from './limits.ts';
import { rateLimitFields } from './rate-limit-fields.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The limit that counts the route's requests; absent: `requests`. */
    limit?: LimitName;
  }
}

const countedOf = (request: FastifyRequest): Counted => [
  request.routeOptions.config.limit ?? 'requests',
  callerOf(request),
];
/** The plugin's keys are strings. */
function countedIn(key: string): Counted {
  const [name, caller = ''] = key.split('\0');
  return [name as LimitName, caller];
}

/** Health probes and metrics must work under any load. */
const isOperational = ({ routeOptions: { url = '' } }: FastifyRequest): boolean =>
  url.startsWith('/health') || url === '/metrics';

const NO_HEADERS = {
  'x-ratelimit-limit': false,
  'x-ratelimit-remaining': false,
  'x-ratelimit-reset': false,
};

/**
 * Limits each caller's requests over all services, and states the limit in every answer. Register it
 * after authentication: only the gateway limits requests that fail there.
 */
export async function limitRequests(
  app: FastifyInstance,
  limits: Limits,
  leased: LocalLimits,
): Promise<void> {
  if (!limits.enabled) return;
  const { burst, seconds } = limits.rule('requests');
  const ask = callbackify(async (key: string) => {
    const { allowed, retrySeconds } = await leased.tryConsume(countedIn(key));
    // The plugin refuses what exceeds its maximum; its count is not shown.
    return { current: allowed ? 1 : Number.MAX_SAFE_INTEGER, ttl: retrySeconds * 1_000 };
  });
  const store: FastifyRateLimitStore = {
    // The plugin passes arguments after the callback, but `callbackify` needs it last.
    incr: (key, callback) => ask(key, callback),
    child: () => store,
  };
  await app.register(rateLimit, {
    max: burst,
    timeWindow: seconds * 1_000,
    // The plugin calls `new`, which returns the object that the function returns.
    store: function makeStore() {
      return store;
    } as unknown as FastifyRateLimitStoreCtor,
    keyGenerator: (request) => countedOf(request).join('\0'),
    allowList: isOperational,
    addHeaders: { ...NO_HEADERS, 'retry-after': false },
    addHeadersOnExceeding: NO_HEADERS,
    errorResponseBuilder: (request, { ttl }) => {
      const state = leased.state(countedOf(request));
      return rateLimited(state ? [{ ...state, remaining: 0 }] : [], ttl / 1_000);
    },
  });
  app.addHook('onSend', (request, reply, _payload, done) => {
    const state =
      reply.hasHeader('ratelimit') || isOperational(request)
        ? undefined
        : leased.state(countedOf(request));
    if (state) reply.headers(rateLimitFields([state]));
    done();
  });
}
