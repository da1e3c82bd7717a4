import type { ApiTokenLookup } from './api-token-lookup.ts';
import type { Principal } from '../principal.ts';
import { isKeyValid, type PublicKeyRing } from '../keys/public-key-ring.ts';
import type { Revocations } from './revocations.ts';
import type { SessionLookup } from './session-lookup.ts';

/**
 * Whether a caller who was let in may go on, and as what: undefined when the session or API token
 * has ended, or the key
 * that signed counts no more. `asOf`: by the monotonic clock, the moment
 * of which that is known. Rejects with `dependency_unavailable` (503) when it is known neither from
 * the set of revocations nor from the database.
 */
export type RevalidatePrincipal = (
  principal: Principal,
) => Promise<{ principal: Principal; asOf: number } | undefined>;

export type RevalidateOptions = {
  sessions: Pick<SessionLookup, 'isLive'>;
  apiTokens: Pick<ApiTokenLookup, 'revalidate'>;
  revocations: Pick<Revocations, 'isFresh' | 'isKeyRevoked'>;
  keys: Pick<PublicKeyRing, 'revalidate'>;
};

export const createRevalidatePrincipal =
  ({ sessions, apiTokens, revocations, keys }: RevalidateOptions): RevalidatePrincipal =>
  async (principal) => {
    if (principal.apiToken === null) {
      const { sessionId, id: userId, role, keyId } = principal;
      const session = await sessions.isLive({ sessionId, userId, role });
      // After the session: what was learned of the key while that was looked up counts.
      if (!session.live || !(await isKeyValid({ revocations, keys }, keyId))) return undefined;
      return { principal: { ...principal, role: session.role }, asOf: session.asOf };
    }
    const { apiToken, id: userId, expiresAt } = principal;
    const recalled = await apiTokens.revalidate({
      id: apiToken.id,
      userId,
      expiresAt,
      askedAt: apiToken.askedAt,
    });
    if (!recalled) return undefined;
    const { token, asOf } = recalled;
    return {
      asOf,
      principal: token
        ? {
            ...principal,
            role: token.role,
            apiToken: { id: token.id, scopes: token.scopes, askedAt: asOf },
          }
        : principal,
    };
  };
