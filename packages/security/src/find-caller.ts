import { isKeyValid, type PublicKeyRing } from './keys/public-key-ring.ts';
import { isAddressAllowed } from './network/ip-ranges.ts';
import type { Principal } from './principal.ts';
import type { ApiTokenLookup } from './sessions/api-token-lookup.ts';
import type { LastSeen } from './sessions/last-seen.ts';
import type { Revocations } from './sessions/revocations.ts';
import type { SessionLookup } from './sessions/session-lookup.ts';
import type { AccessTokens } from './tokens/access-tokens.ts';
import type { AccessTokenClaims } from './tokens/claims.ts';

export interface SessionSources {
  accessTokens: Pick<AccessTokens, 'verify'>;
  keys: PublicKeyRing;
  sessions: SessionLookup;
  revocations: Revocations;
  /** Marks each session that is used. */
  lastSeen?: Pick<LastSeen, 'seen'>;
}

export interface ApiTokenSources {
  lookup: ApiTokenLookup;
  /** Marks each token that is used. */
  lastSeen?: Pick<LastSeen, 'seen'>;
}

export interface ApiTokenCaller {
  principal: Principal;
  /** Whether the token's list of addresses holds the caller's. */
  isAllowedHere: boolean;
}

const isUnauthenticated = (error: unknown): boolean =>
  error instanceof Error && 'statusCode' in error && error.statusCode === 401;

/** The caller in a session; undefined when the token or its session is not valid. */
export async function findSessionPrincipal(
  sources: SessionSources,
  token: string,
): Promise<Principal | undefined> {
  let claims: AccessTokenClaims;
  try {
    claims = await sources.accessTokens.verify(token);
  } catch (error) {
    if (isUnauthenticated(error)) return undefined;
    throw error;
  }
  const { sub: id, sid: sessionId, kid: keyId } = claims;
  const appMetadata = claims.app_metadata ?? null;
  const claim = { sessionId, userId: id, role: claims.role, appMetadata };
  const session = await sources.sessions.isLive(claim);
  // Checked after the session: the key may have been revoked during the query.
  if (!session.live || !(await isKeyValid(sources, keyId))) return undefined;
  sources.lastSeen?.seen(sessionId);
  return {
    id,
    role: session.role,
    sessionId,
    tokenId: claims.jti,
    keyId,
    expiresAt: new Date(claims.exp * 1_000),
    apiToken: null,
  };
}

/** The owner of an API token; undefined when the token is not valid. */
export async function findApiTokenCaller(
  apiTokens: ApiTokenSources | undefined,
  text: string,
  ip: string,
): Promise<ApiTokenCaller | undefined> {
  const known = await apiTokens?.lookup.find(text);
  if (!known) return undefined;
  const { token, askedAt } = known;
  const isAllowedHere = isAddressAllowed(token.allowedIps, ip);
  if (isAllowedHere) apiTokens?.lastSeen?.seen(token.id, ip);
  return {
    principal: {
      id: token.userId,
      role: token.role,
      sessionId: null,
      apiToken: { id: token.id, scopes: token.scopes, askedAt },
      expiresAt: token.expiresAt,
    },
    isAllowedHere,
  };
}
