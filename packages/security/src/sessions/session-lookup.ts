import { type QueryExecutorProvider, sql } from 'kysely';
import { LRUCache } from 'lru-cache';
import { createBatchedLookup } from './batched-lookup.ts';
import { isRole, type Role } from '../permissions.ts';
import type { Revocations } from './revocations.ts';

/**
 * A row of the view `shared.live_sessions`: not revoked, not expired, its user active. What is
 * absent is dead.
 */
export type LiveSessionRow = { session_id: string; user_id: string; role: string };

/** What a verified access token says of its session. */
export type SessionClaim = { sessionId: string; userId: string; role: Role };

/**
 * `asOf`: by the monotonic clock, the moment of which this is known to be true. What goes on for
 * long counts its second from there.
 */
export type SessionState = { live: false } | { live: true; role: Role; asOf: number };

/**
 * Why the database was asked: the set of revocations is stale, or it holds a change of the user.
 */
export type LookupReason = 'stale' | 'user_changed';

export type SessionLookupOptions = {
  revocations: Revocations;
  query: (sessionIds: readonly string[]) => Promise<readonly LiveSessionRow[]>;
  /** Answers remembered at most, of sessions whose user was changed. */
  remembered?: number;
  /**
   * An answer that comes later says nothing any more: a revoked session must be refused everywhere
   * within a second.
   */
  timeoutMs?: number;
  /**
   * Recognises an outage among what `query` rejects with. Anything else is a fault of ours and
   * passes as it is: to be logged, not retried.
   */
  isUnavailable?: (error: unknown) => boolean;
};

export type SessionLookup = ReturnType<typeof createSessionLookup>;

/** Looks sessions up in `shared.live_sessions`, for a look-up's `query`. */
export const queryLiveSessions =
  (db: QueryExecutorProvider) =>
  async (sessionIds: readonly string[]): Promise<readonly LiveSessionRow[]> => {
    const { rows } = await sql<LiveSessionRow>`
      select session_id, user_id, role from shared.live_sessions
      where session_id = any(${sessionIds}::uuid[])`.execute(db);
    return rows;
  };

const byId = (rows: readonly LiveSessionRow[]): ReadonlyMap<string, LiveSessionRow> =>
  new Map(rows.map((row) => [row.session_id, row]));

const dead: SessionState = { live: false };

/**
 * How long this replica holds what it ended itself without the feed having said so: by then that
 * has, or has read everything again.
 */
const OWN_WORD_S = 300;

/**
 * Whether sessions still live. While the set of revocations is fresh, that is known without asking:
 * a verified token's session lives unless it is in
 * the set, and the token's role holds unless its user is. For a user who is, the database is asked
 * once; while the set is stale, each time. Look-ups
 * of one turn of the event loop go out as one statement.
 */
export const createSessionLookup = (options: SessionLookupOptions) => {
  const {
    revocations,
    query,
    remembered: max = 10_000,
    timeoutMs = 1_000,
    isUnavailable = () => false,
  } = options;
  const remembered = new LRUCache<
    string,
    { role: Role | undefined; userId: string; askedAt: number }
  >({ max });
  const lookups: Record<LookupReason, number> = { stale: 0, user_changed: 0 };
  const ask = createBatchedLookup({
    kinds: ['session'],
    query: async ({ session }) => byId(await query(session)),
    timeoutMs,
    isUnavailable,
  });

  const lookUp = async (
    { sessionId, userId }: SessionClaim,
    reason: LookupReason,
  ): Promise<SessionState> => {
    lookups[reason]++;
    const { answer, askedAt } = await ask('session', sessionId);
    const row = answer.get(sessionId);
    // The user is compared too: a session id alone must never lend another user's rights. A role
    // that this version does not know may do nothing.
    const role = row && row.user_id === userId && isRole(row.role) ? row.role : undefined;
    remembered.set(sessionId, { role, userId, askedAt });
    // What ended while the answer was under way may be in the set by now.
    return role === undefined || revocations.isSessionRevoked(sessionId)
      ? dead
      : { live: true, role, asOf: askedAt };
  };

  return {
    /**
     * Whether the session of a verified token lives, and as which role. Rejects with
     * `dependency_unavailable` (503) when that is known neither
     * from the set nor from the database, and with the error of `query` when that was no outage.
     */
    async isLive(claim: SessionClaim): Promise<SessionState> {
      const { sessionId, userId, role } = claim;
      if (revocations.isSessionRevoked(sessionId)) return dead;
      if (!revocations.isFresh()) return lookUp(claim, 'stale');
      const asOf = performance.now() - revocations.ageMs();
      const changedAt = revocations.userChangedAt(userId);
      if (changedAt === undefined) return { live: true, role, asOf };
      const known = remembered.get(sessionId);
      if (!known || known.userId !== userId || known.askedAt <= changedAt)
        return lookUp(claim, 'user_changed');
      // Nothing that the set has come to hold since has changed it, so it is as true as the set.
      return known.role === undefined ? dead : { live: true, role: known.role, asOf };
    },

    /**
     * Refuses a session that this replica has just ended, after the commit; other replicas hear of
     * it by the feed.
     */
    drop(sessionId: string): void {
      revocations.add({
        kind: 'session',
        id: sessionId,
        expiresAt: Math.ceil(Date.now() / 1_000) + OWN_WORD_S,
      });
    },

    /** Has the database asked about a user whom this replica has just changed, after the commit. */
    dropUser(userId: string): void {
      revocations.add({
        kind: 'user',
        id: userId,
        expiresAt: Math.ceil(Date.now() / 1_000) + OWN_WORD_S,
      });
    },

    /** For tests and metrics. */
    lookups: (): Readonly<Record<LookupReason, number>> => lookups,
    remembered: () => remembered.size,
  };
};
