import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Kysely } from 'kysely';
import { canonicalJson } from '@muniment/audit-events';
import { callerOf } from '../limits/caller.ts';
import { repeat, type BackgroundLoop } from '../lifecycle/background-loops.ts';
import { deleteExpiredAnswers, findAnswer, loadIdempotencySecret } from './answers.ts';
import { keyedHash, parseIdempotencyKey } from './encryption.ts';
import {
  createIdempotentRequest,
  finishKeyedRequest,
  inProgress,
  type IdempotencyOptions,
  type IdempotentRequest,
  type KeyedRequest,
} from './keyed-request.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * `own`: the route itself makes repetitions harmless. `content`: the handler reads the content
     * and states it. Absent: body and query are the content.
     */
    idempotency?: 'own' | 'content';
    /**
     * For answers that hold a token or a secret: whether it is still valid. A replay of such an
     * answer is recorded.
     */
    replayWhile?: (answer: unknown, request: FastifyRequest) => Promise<boolean>;
  }
  interface FastifyRequest {
    /** Set while a POST with an Idempotency-Key is in progress. */
    idempotency: IdempotentRequest | null;
  }
}

/**
 * Lets every POST take an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header). An answer
 * is stored in the transaction that it answers (see `createTransactions`), so neither exists alone.
 * Register it after authentication and before any route.
 */
export function acceptIdempotencyKeys<DB>(
  app: FastifyInstance,
  options: IdempotencyOptions<DB>,
): void {
  const keyedRequests = new WeakMap<IdempotentRequest, KeyedRequest>();
  const admit = createAdmission(options);

  /** @returns whether the request has been answered */
  async function begin(request: FastifyRequest, reply: FastifyReply): Promise<boolean> {
    const keyed = await admit(request, reply);
    if (!keyed) return false;
    const repeatable = createIdempotentRequest(options, keyed);
    keyedRequests.set(repeatable, keyed);
    // From here on the onSend hook frees the scope, however the request ends.
    request.idempotency = repeatable;
    const { db, schema, ttlSeconds } = options;
    keyed.stored = await findAnswer(db, { schema, scope: keyed.scope, ttlSeconds });
    if (!keyed.stored || keyed.content === undefined) return false;
    await repeatable.replay(keyed.content);
    return true;
  }

  async function finish(request: FastifyRequest, payload: unknown): Promise<void> {
    const repeatable = request.idempotency;
    // Once only: an error of COMMIT is answered through the onSend hook again.
    request.idempotency = null;
    const keyed = repeatable && keyedRequests.get(repeatable);
    if (keyed) await finishKeyedRequest(options.schema, keyed, { repeatable, payload });
  }

  app.decorateRequest('idempotency', null);
  app.addHook('onRoute', (route) => {
    if (![route.method].flat().includes('POST')) return;
    route.preHandler = [
      async (request, reply) => {
        if (request.headers['idempotency-key'] !== undefined && (await begin(request, reply)))
          return reply;
      },
      ...[route.preHandler ?? []].flat(),
    ];
    route.onSend = [
      async (request, _reply, payload) => {
        if (request.idempotency) await finish(request, payload);
        return payload;
      },
      ...[route.onSend ?? []].flat(),
    ];
  });
}

type Admit = (request: FastifyRequest, reply: FastifyReply) => Promise<KeyedRequest | undefined>;

/**
 * Admits one request of a scope at a time on this replica, before expensive work such as hashing a
 * password. Transactions decide between replicas.
 */
function createAdmission<DB>(options: IdempotencyOptions<DB>): Admit {
  const loadSecret = cacheSecret(options);
  const scopes = new Set<string>();
  return async (request, reply) => {
    const key = parseIdempotencyKey(request.headers['idempotency-key'] ?? '');
    const { idempotency } = request.routeOptions.config;
    if (idempotency === 'own') return undefined;
    const secret = await loadSecret();
    const scope = scopeOf(secret, request, key);
    const content = idempotency === 'content' ? undefined : contentOf(options.cookies, request);
    const name = scope.toString('hex');
    if (scopes.has(name)) throw inProgress();
    // Nothing may throw from here until the request holds the scope.
    scopes.add(name);
    const release = (): void => void scopes.delete(name);
    return { request, reply, key, secret, scope, content, stored: undefined, release };
  };
}

function cacheSecret<DB>({ db, schema, masterKey }: IdempotencyOptions<DB>): () => Promise<Buffer> {
  let secret: Promise<Buffer> | undefined;
  return () => {
    secret ??= loadIdempotencySecret(db, schema, masterKey).catch((error: unknown) => {
      secret = undefined;
      throw error;
    });
    return secret;
  };
}

function scopeOf(secret: Buffer, request: FastifyRequest, key: string): Buffer {
  const route = `${request.method} ${request.routeOptions.url}`;
  const params = canonicalJson(request.params ?? {});
  return keyedHash(secret, 'scope', callerOf(request), route, params, key);
}

/**
 * What of a request decides its answer. An anonymous request may send only a cookie, and a foreign
 * page must not replay an answer that one of our pages got.
 */
function contentOf(
  cookies: IdempotencyOptions<unknown>['cookies'],
  request: FastifyRequest,
): string {
  const anonymous =
    request.principal || request.viewer
      ? []
      : [refreshCookieOf(cookies, request), cookies.isForeignPage(request)];
  return canonicalJson([request.body ?? null, request.query ?? null, ...anonymous]);
}

function refreshCookieOf(
  cookies: IdempotencyOptions<unknown>['cookies'],
  request: FastifyRequest,
): string | null {
  try {
    return cookies.refreshToken(request) ?? null;
  } catch {
    return 'ambiguous';
  }
}

const DELETE_INTERVAL_MS = 60_000;
const BATCH_SIZE = 1_000;

/** Deletes expired answers in batches. Every replica does it, and none waits for another. */
export function deleteExpiredAnswersLoop<DB>(
  db: Kysely<DB>,
  { schema, ttlSeconds }: Pick<IdempotencyOptions<DB>, 'schema' | 'ttlSeconds'>,
  onError: (error: unknown) => void,
): BackgroundLoop {
  const deleteBatch = () => deleteExpiredAnswers(db, { schema, ttlSeconds, limit: BATCH_SIZE });
  return repeat(
    'idempotency keys',
    DELETE_INTERVAL_MS,
    async () => {
      while ((await deleteBatch()) === BATCH_SIZE);
    },
    onError,
  );
}
