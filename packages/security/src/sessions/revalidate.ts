import { isKeyValid, type PublicKeyRing } from '../keys/public-key-ring.ts';
import type { Principal } from '../principal.ts';
import type { ApiTokenLookup } from './api-token-lookup.ts';
import type { Revocations } from './revocations.ts';
import type { SessionLookup } from './session-lookup.ts';

export interface Revalidated {
  principal: Principal;
  /** The moment for which this is known, by the monotonic clock. */
  asOf: number;
}

/**
 * Returns an admitted caller as they are now; undefined once the credential or key is invalid.
 * @throws DependencyUnavailable when neither revocations nor database can tell
 */
export type RevalidatePrincipal = (principal: Principal) => Promise<Revalidated | undefined>;

export interface RevalidateOptions {
  sessions: Pick<SessionLookup, 'isLive'>;
  apiTokens: Pick<ApiTokenLookup, 'revalidate'>;
  revocations: Pick<Revocations, 'isFresh' | 'isKeyRevoked'>;
  keys: Pick<PublicKeyRing, 'revalidate'>;
}

type InSession = Extract<Principal, { apiToken: null }>;
type ByApiToken = Exclude<Principal, { apiToken: null }>;

async function revalidateSession(
  { sessions, revocations, keys }: RevalidateOptions,
  principal: InSession,
): Promise<Revalidated | undefined> {
  const { sessionId, id: userId, role, keyId } = principal;
  const session = await sessions.isLive({ sessionId, userId, role });
  // Checked after the session: the key may have been revoked during the query.
  if (!session.live || !(await isKeyValid({ revocations, keys }, keyId))) return undefined;
  return { principal: { ...principal, role: session.role }, asOf: session.asOf };
}

async function revalidateApiToken(
  { apiTokens }: RevalidateOptions,
  principal: ByApiToken,
): Promise<Revalidated | undefined> {
  const { apiToken, id: userId, expiresAt } = principal;
  const { id, askedAt } = apiToken;
  const current = await apiTokens.revalidate({ id, userId, expiresAt, askedAt });
  if (!current) return undefined;
  const { token, asOf } = current;
  if (!token) return { principal, asOf };
  return {
    principal: {
      ...principal,
      role: token.role,
      apiToken: { id: token.id, scopes: token.scopes, askedAt: asOf },
    },
    asOf,
  };
}

export function createRevalidatePrincipal(options: RevalidateOptions): RevalidatePrincipal {
  return async (principal) =>
    principal.apiToken === null
      ? revalidateSession(options, principal)
      : revalidateApiToken(options, principal);
}
