import type { ApiTokenLookup } from './api-token-lookup.ts';
import type { Principal } from './authenticate.ts';
import type { SessionLookup } from './sessions.ts';

/**
 * Whether a caller who was let in may go on, and as what: undefined when the session or API token has ended. `asOf`: by the monotonic clock, the moment
 * of which that is known. Rejects with `dependency_unavailable` (503) when it is known neither from the set of revocations nor from the database.
 */
export type Standing = (principal: Principal) => Promise<{ principal: Principal; asOf: number } | undefined>;

export const createStanding = ({ sessions, apiTokens }: { sessions: Pick<SessionLookup, 'isLive'>; apiTokens: Pick<ApiTokenLookup, 'recall'> }): Standing =>
  async (principal) => {
    if (principal.apiToken === null) {
      const session = await sessions.isLive({ sessionId: principal.sessionId, userId: principal.id, role: principal.role });
      return session.live ? { principal: { ...principal, role: session.role }, asOf: session.asOf } : undefined;
    }
    const { apiToken, id: userId, expiresAt } = principal;
    const recalled = await apiTokens.recall({ id: apiToken.id, userId, expiresAt, askedAt: apiToken.askedAt });
    if (!recalled) return undefined;
    const { token, asOf } = recalled;
    return { asOf, principal: token ? { ...principal, role: token.role, apiToken: { id: token.id, scopes: token.scopes, askedAt: asOf } } : principal };
  };
