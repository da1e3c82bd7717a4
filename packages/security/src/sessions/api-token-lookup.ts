import { hash } from 'node:crypto';
import { type QueryExecutorProvider, sql } from 'kysely';
import { LRUCache } from 'lru-cache';
import { isTokenScope } from '../tokens/api-tokens.ts';
import { createBatchedLookup } from './batched-lookup.ts';
import { isRole, type Permission, type Role } from '../permissions.ts';
import type { Revocations } from './revocations.ts';

/** A row of `shared.find_api_tokens`: not revoked, not expired, its owner active. */
export interface ApiTokenRow {
  id: string;
  token_hash: Buffer;
  user_id: string;
  /** The owner's. */
  role: string;
  scopes: readonly string[];
  /** CIDR; empty allows every address. */
  allowed_ips: readonly string[];
  expires_at: Date;
}

export interface ApiToken {
  id: string;
  userId: string;
  role: Role;
  scopes: readonly Permission[];
  allowedIps: readonly string[];
  expiresAt: Date;
}

/** `askedAt` is the moment of the query, by the monotonic clock. */
export interface FoundToken {
  token: ApiToken;
  askedAt: number;
}

export interface ApiTokenQuestion {
  hashes: readonly Buffer[];
  ids: readonly string[];
}

export interface ApiTokenLookupOptions {
  query: (asked: ApiTokenQuestion) => Promise<readonly ApiTokenRow[]>;
  revocations: Revocations;
  /** Most tokens in the cache; about 1 KB each. */
  cacheSize?: number;
  /** A revoked token must be refused everywhere within a second, so later answers are useless. */
  timeoutMs?: number;
  /** Recognises an outage. Any other error is a bug and passes unchanged. */
  isUnavailable?: (error: unknown) => boolean;
}

export type ApiTokenLookup = ReturnType<typeof createApiTokenLookup>;

/** Reads `shared.find_api_tokens`, for the `query` of a look-up. */
export const queryApiTokens =
  (db: QueryExecutorProvider) =>
  async ({ hashes, ids }: ApiTokenQuestion): Promise<readonly ApiTokenRow[]> => {
    const { rows } = await sql<ApiTokenRow>`
      select id, token_hash, user_id, role, scopes, allowed_ips, expires_at
      from shared.find_api_tokens(${hashes}::bytea[], ${ids}::uuid[])`.execute(db);
    return rows;
  };

interface Answer {
  byDigest: ReadonlyMap<string, ApiToken>;
  byId: ReadonlyMap<string, ApiToken>;
}

/** The set keeps changes of owners for at least 90 s; older answers may precede one. */
const CACHE_TTL_MS = 60_000;

const tokenOf = (row: ApiTokenRow): ApiToken | undefined =>
  // An unknown role may do nothing; an unknown scope allows nothing.
  isRole(row.role)
    ? {
        id: row.id,
        userId: row.user_id,
        role: row.role,
        scopes: row.scopes.filter(isTokenScope),
        allowedIps: row.allowed_ips,
        expiresAt: row.expires_at,
      }
    : undefined;

const answerOf = (rows: readonly ApiTokenRow[]): Answer => {
  const byDigest = new Map<string, ApiToken>();
  const byId = new Map<string, ApiToken>();
  for (const row of rows) {
    const token = tokenOf(row);
    if (!token) continue;
    byDigest.set(row.token_hash.toString('base64'), token);
    byId.set(row.id, token);
  }
  return { byDigest, byId };
};

const isLive = (
  revocations: Pick<Revocations, 'isApiTokenRevoked'>,
  { id, expiresAt }: Pick<ApiToken, 'id' | 'expiresAt'>,
): boolean => !revocations.isApiTokenRevoked(id) && Date.now() < expiresAt.getTime();

/** Whether an answer about a token of the user still holds. */
function isRecent(
  revocations: Pick<Revocations, 'isFresh' | 'now' | 'userChangedAt'>,
  userId: string,
  askedAt: number,
): boolean {
  const changedAt = revocations.userChangedAt(userId);
  return (
    revocations.isFresh() &&
    revocations.now().monotonic - askedAt < CACHE_TTL_MS &&
    (changedAt === undefined || changedAt < askedAt)
  );
}

/** @param now the clock of the revocations, which answers are compared with */
const createTokenQuery = (
  { query, timeoutMs = 1_000, isUnavailable = () => false }: ApiTokenLookupOptions,
  now: () => number,
) =>
  createBatchedLookup({
    kinds: ['digest', 'id'],
    timeoutMs,
    isUnavailable,
    now,
    query: async ({ digest, id }) =>
      answerOf(await query({ hashes: digest.map((one) => Buffer.from(one, 'base64')), ids: id })),
  });

/**
 * Creates the cached look-up of API tokens, by SHA-256: a heap dump shows none.
 * Unknown tokens are not cached, because anybody can make up any number of them.
 */
export function createApiTokenLookup(options: ApiTokenLookupOptions) {
  const { revocations } = options;
  const now = (): number => revocations.now().monotonic;
  const cache = new LRUCache<string, FoundToken>({ max: options.cacheSize ?? 10_000 });
  const ask = createTokenQuery(options, now);

  return {
    /**
     * Finds a valid token by a text that `isApiToken` accepts.
     * @throws DependencyUnavailable, or an error of `query` that is no outage
     */
    async find(text: string): Promise<FoundToken | undefined> {
      const digest = hash('sha256', text, 'base64');
      const known = cache.get(digest);
      if (known && isRecent(revocations, known.token.userId, known.askedAt))
        return isLive(revocations, known.token) ? known : undefined;
      const { answer, askedAt } = await ask('digest', digest);
      const token = answer.byDigest.get(digest);
      if (!token) {
        cache.delete(digest);
        return undefined;
      }
      const found = { token, askedAt };
      cache.set(digest, found);
      // The token may have been revoked during the query.
      return isLive(revocations, token) ? found : undefined;
    },

    /** Checks a token again. `token` is present after a query. Throws as `find` does. */
    async revalidate(known: {
      id: string;
      userId: string;
      expiresAt: Date;
      askedAt: number;
    }): Promise<{ token?: ApiToken; asOf: number } | undefined> {
      if (!isLive(revocations, known)) return undefined;
      if (isRecent(revocations, known.userId, known.askedAt))
        return { asOf: now() - revocations.ageMs() };
      const { answer, askedAt } = await ask('id', known.id);
      const token = answer.byId.get(known.id);
      return token && isLive(revocations, token) ? { token, asOf: askedAt } : undefined;
    },

    /** Refuses a token that this replica has revoked. Call it after the commit. */
    drop(id: string, expiresAt: Date): void {
      revocations.add({ kind: 'api_token', id, expiresAt: Math.ceil(expiresAt.getTime() / 1_000) });
    },

    /** For tests and metrics. */
    remembered: () => cache.size,
  };
}
