import { hash } from 'node:crypto';
import { type QueryExecutorProvider, sql } from 'kysely';
import { LRUCache } from 'lru-cache';
import { isTokenScope } from '../tokens/api-tokens.ts';
import { createBatchedLookup } from './batched-lookup.ts';
import { isRole, type Permission, type Role } from '../permissions.ts';
import type { Revocations } from './revocations.ts';

/**
 * A row of `shared.find_api_tokens`: not revoked, not expired, its owner active. What is absent
 * does not count.
 */
export type ApiTokenRow = {
  id: string;
  token_hash: Buffer;
  user_id: string;
  /** The owner's. */
  role: string;
  scopes: readonly string[];
  /** CIDR; empty: from everywhere. */
  allowed_ips: readonly string[];
  expires_at: Date;
};

export type ApiToken = {
  id: string;
  userId: string;
  role: Role;
  scopes: readonly Permission[];
  allowedIps: readonly string[];
  expiresAt: Date;
};

/** `askedAt`: by the monotonic clock, when the database was asked. */
export type FoundToken = { token: ApiToken; askedAt: number };

export type ApiTokenQuestion = { hashes: readonly Buffer[]; ids: readonly string[] };

export type ApiTokenLookupOptions = {
  query: (asked: ApiTokenQuestion) => Promise<readonly ApiTokenRow[]>;
  revocations: Revocations;
  /** Tokens remembered at most; about 1 KB each. */
  cacheSize?: number;
  /**
   * An answer that comes later says nothing any more: a revoked token must be refused everywhere
   * within a second.
   */
  timeoutMs?: number;
  /**
   * Recognises an outage among what `query` rejects with. Anything else is a fault of ours and
   * passes as it is: to be logged, not retried.
   */
  isUnavailable?: (error: unknown) => boolean;
};

export type ApiTokenLookup = ReturnType<typeof createApiTokenLookup>;

/** Looks API tokens up in PostgreSQL, for a look-up's `query`. */
export const queryApiTokens =
  (db: QueryExecutorProvider) =>
  async ({ hashes, ids }: ApiTokenQuestion): Promise<readonly ApiTokenRow[]> => {
    const { rows } = await sql<ApiTokenRow>`
      select id, token_hash, user_id, role, scopes, allowed_ips, expires_at from shared.find_api_tokens(${hashes}::bytea[], ${ids}::uuid[])`.execute(
      db,
    );
    return rows;
  };

type Answer = { byDigest: ReadonlyMap<string, ApiToken>; byId: ReadonlyMap<string, ApiToken> };

/**
 * What is remembered longer may be of before a change of the owner that the set of revocations has
 * let go of: that keeps one for a minute and a half
 * at least (a minute beyond the shortest access token).
 */
const rememberMs = 60_000;

const tokenOf = (row: ApiTokenRow): ApiToken | undefined =>
  // A role that this version does not know may do nothing; a scope that it does not know allows
  // nothing.
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

/**
 * Which API token a text is. What was looked up is remembered by its SHA-256 (so that a heap dump
 * shows none), and holds while the set of revocations
 * is fresh and neither the token nor a change of its owner is in it; while the set is stale the
 * database is asked each time. Look-ups of one turn of
 * the event loop go out as one statement. An unknown token is not remembered: anybody can make up
 * any number of those.
 */
export const createApiTokenLookup = (options: ApiTokenLookupOptions) => {
  const {
    query,
    revocations,
    cacheSize: max = 10_000,
    timeoutMs = 1_000,
    isUnavailable = () => false,
  } = options;
  /**
   * The clock that the set of revocations goes by: what it says of a moment is compared with ours.
   */
  const now = (): number => revocations.now().monotonic;
  const remembered = new LRUCache<string, FoundToken>({ max });
  const ask = createBatchedLookup({
    kinds: ['digest', 'id'],
    timeoutMs,
    isUnavailable,
    now,
    query: async ({ digest, id }) =>
      answerOf(await query({ hashes: digest.map((one) => Buffer.from(one, 'base64')), ids: id })),
  });

  const counts = ({ id, expiresAt }: Pick<ApiToken, 'id' | 'expiresAt'>): boolean =>
    !revocations.isApiTokenRevoked(id) && Date.now() < expiresAt.getTime();

  const holds = (userId: string, askedAt: number): boolean => {
    const changedAt = revocations.userChangedAt(userId);
    return (
      revocations.isFresh() &&
      now() - askedAt < rememberMs &&
      (changedAt === undefined || changedAt < askedAt)
    );
  };

  return {
    /**
     * The token that this text is, and when the database was asked about it; undefined when there
     * is none, or it counts no more. Rejects with
     * `dependency_unavailable` (503) when that is known neither from the set nor from the database,
     * and with the error of `query` when that was no outage.
     * @param text of the form that `isApiToken` tells
     */
    async find(text: string): Promise<FoundToken | undefined> {
      const digest = hash('sha256', text, 'base64');
      const known = remembered.get(digest);
      if (known && holds(known.token.userId, known.askedAt))
        return counts(known.token) ? known : undefined;
      const { answer, askedAt } = await ask('digest', digest);
      const token = answer.byDigest.get(digest);
      if (!token) {
        remembered.delete(digest);
        return undefined;
      }
      const found = { token, askedAt };
      remembered.set(digest, found);
      // What ended while the answer was under way may be in the set by now.
      return counts(token) ? found : undefined;
    },

    /**
     * Whether a token that was found before counts still, for what lasts longer than a request;
     * undefined when it does not. `token` is there when the
     * database was asked again: as it is now. `asOf`: by the monotonic clock, the moment of which
     * this is known. Rejects as `find`.
     */
    async revalidate(known: {
      id: string;
      userId: string;
      expiresAt: Date;
      askedAt: number;
    }): Promise<{ token?: ApiToken; asOf: number } | undefined> {
      if (!counts(known)) return undefined;
      if (holds(known.userId, known.askedAt)) return { asOf: now() - revocations.ageMs() };
      const { answer, askedAt } = await ask('id', known.id);
      const token = answer.byId.get(known.id);
      return token && counts(token) ? { token, asOf: askedAt } : undefined;
    },

    /**
     * Refuses a token that this replica has just ended, after the commit; other replicas hear of it
     * by the feed.
     */
    drop(id: string, expiresAt: Date): void {
      revocations.add({ kind: 'api_token', id, expiresAt: Math.ceil(expiresAt.getTime() / 1_000) });
    },

    /** For tests and metrics. */
    remembered: () => remembered.size,
  };
};
