import { isDeepStrictEqual } from 'node:util';
import { type QueryExecutorProvider, sql } from 'kysely';
import { LRUCache } from 'lru-cache';
import { isRole, type Role } from '../permissions.ts';
import type { AppMetadata } from '../tokens/claims.ts';
import { createBatchedLookup } from './batched-lookup.ts';
import type { RevocationKind, Revocations } from './revocations.ts';

/** A row of the view `shared.live_sessions`: not revoked, not expired, its user active. */
export interface LiveSessionRow {
  session_id: string;
  user_id: string;
  role: string;
  /** What a token of now would hold; null for nothing. */
  app_metadata?: AppMetadata | null;
}

/** The session claims of a verified access token. */
export interface SessionClaim {
  sessionId: string;
  userId: string;
  role: Role;
  /** Of a token, whose claim must be the current one; null without. Absent: not compared. */
  appMetadata?: AppMetadata | null;
}

/** `asOf` is the moment that this describes, by the monotonic clock. */
export type SessionState = { live: false } | { live: true; role: Role; asOf: number };

/** Why the database was asked: stale revocations, or a change of the user. */
export type LookupReason = 'stale' | 'user_changed';

export interface SessionLookupOptions {
  revocations: Revocations;
  query: (sessionIds: readonly string[]) => Promise<readonly LiveSessionRow[]>;
  /** Most answers in the cache, of sessions whose user changed. */
  remembered?: number;
  /** A revoked session must be refused everywhere within a second, so later answers are useless. */
  timeoutMs?: number;
  /** Recognises an outage. Any other error is a bug and passes unchanged. */
  isUnavailable?: (error: unknown) => boolean;
}

export type SessionLookup = ReturnType<typeof createSessionLookup>;

interface CachedSession {
  role: Role | undefined;
  userId: string;
  appMetadata: AppMetadata | null;
  askedAt: number;
}

const DEAD: SessionState = { live: false };

/** Own revocations stay in the set this long; by then the feed has reported them. */
const OWN_REVOCATION_TTL_S = 300;

/** Reads `shared.live_sessions`, for the `query` of a look-up. */
export const queryLiveSessions =
  (db: QueryExecutorProvider) =>
  async (sessionIds: readonly string[]): Promise<readonly LiveSessionRow[]> => {
    const { rows } = await sql<LiveSessionRow>`
      select session_id, user_id, role, app_metadata from shared.live_sessions
      where session_id = any(${sessionIds}::uuid[])`.execute(db);
    return rows;
  };

const byId = (rows: readonly LiveSessionRow[]): ReadonlyMap<string, LiveSessionRow> =>
  new Map(rows.map((row) => [row.session_id, row]));

/** A session id never lends another user's rights; an unknown role may do nothing. */
function roleOf(row: LiveSessionRow | undefined, userId: string): Role | undefined {
  return row && row.user_id === userId && isRole(row.role) ? row.role : undefined;
}

/** A token with a former claim has ended: others read the claim, and cannot ask. */
const isCurrent = ({ appMetadata }: SessionClaim, current: AppMetadata | null): boolean =>
  appMetadata === undefined || isDeepStrictEqual(appMetadata, current);

/**
 * Creates the look-up of sessions. Fresh revocations answer for all but changed users.
 * The database is asked once for a changed user, and each time while the set is stale.
 */
export function createSessionLookup(options: SessionLookupOptions) {
  const { revocations, query, remembered: max = 10_000, timeoutMs = 1_000 } = options;
  const cache = new LRUCache<string, CachedSession>({ max });
  const lookups: Record<LookupReason, number> = { stale: 0, user_changed: 0 };
  const ask = createBatchedLookup({
    kinds: ['session'],
    query: async ({ session }) => byId(await query(session)),
    timeoutMs,
    isUnavailable: options.isUnavailable ?? (() => false),
  });

  async function lookUp(claim: SessionClaim, reason: LookupReason): Promise<SessionState> {
    const { sessionId, userId } = claim;
    lookups[reason]++;
    const { answer, askedAt } = await ask('session', sessionId);
    const row = answer.get(sessionId);
    const role = roleOf(row, userId);
    const appMetadata = row?.app_metadata ?? null;
    cache.set(sessionId, { role, userId, appMetadata, askedAt });
    if (!isCurrent(claim, appMetadata)) return DEAD;
    // The session may have been revoked during the query.
    if (role === undefined || revocations.isSessionRevoked(sessionId)) return DEAD;
    return { live: true, role, asOf: askedAt };
  }

  const addOwn = (kind: RevocationKind, id: string): boolean =>
    revocations.add({ kind, id, expiresAt: Math.ceil(Date.now() / 1_000) + OWN_REVOCATION_TTL_S });

  return {
    /**
     * Whether the session of a verified token is live, and its role.
     * @throws DependencyUnavailable, or an error of `query` that is no outage
     */
    async isLive(claim: SessionClaim): Promise<SessionState> {
      const { sessionId, userId, role } = claim;
      if (revocations.isSessionRevoked(sessionId)) return DEAD;
      if (!revocations.isFresh()) return lookUp(claim, 'stale');
      const asOf = performance.now() - revocations.ageMs();
      const changedAt = revocations.userChangedAt(userId);
      if (changedAt === undefined) return { live: true, role, asOf };
      const known = cache.get(sessionId);
      if (!known || known.userId !== userId || known.askedAt <= changedAt)
        return lookUp(claim, 'user_changed');
      // The set shows no later change, so the answer is as current as the set.
      return known.role === undefined || !isCurrent(claim, known.appMetadata)
        ? DEAD
        : { live: true, role: known.role, asOf };
    },

    /** Refuses a session that this replica has revoked. Call it after the commit. */
    drop: (sessionId: string): void => void addOwn('session', sessionId),

    /** Makes the next look-up of a changed user ask the database. Call it after the commit. */
    dropUser: (userId: string): void => void addOwn('user', userId),

    /** For tests and metrics. */
    lookups: (): Readonly<Record<LookupReason, number>> => lookups,
    remembered: () => cache.size,
  };
}
