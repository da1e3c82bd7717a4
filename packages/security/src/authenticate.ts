import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { challengeScope, readCredentials, rejectCredentials } from './credentials.ts';
import { OriginRefused } from './errors.ts';
import { isKeyValid } from './keys/public-key-ring.ts';
import { isAddressAllowed } from './network/ip-ranges.ts';
import type { Denial, Permission } from './permissions.ts';
import { findDenial, type Principal, throwDenied } from './principal.ts';
import { isSafeMethod, requireStatedAccess, type RouteAccess } from './route-access.ts';
import type { ApiTokenLookup } from './sessions/api-token-lookup.ts';
import type { LastSeen } from './sessions/last-seen.ts';
import type { Revocations } from './sessions/revocations.ts';
import type { SessionLookup } from './sessions/session-lookup.ts';
import {
  accessTokens,
  type AccessTokenOptions,
  type AccessTokens,
} from './tokens/access-tokens.ts';
import { isApiToken } from './tokens/api-tokens.ts';
import type { AccessTokenClaims } from './tokens/claims.ts';
import type { SessionCookies } from './tokens/session-cookies.ts';
import {
  hashViewerToken,
  isViewerToken,
  type Viewer,
  type ViewerLookup,
} from './tokens/viewer-tokens.ts';

export interface AuthenticationOptions extends AccessTokenOptions {
  sessions: SessionLookup;
  revocations: Revocations;
  /** Marks each session that is used. */
  lastSeen?: Pick<LastSeen, 'seen'>;
  /** Absent where sessions never come in cookies. */
  cookies?: Pick<SessionCookies, 'accessToken' | 'isOwnPage'>;
  /** Absent where API tokens are refused as credentials of an unknown form. */
  apiTokens?: { lookup: ApiTokenLookup; lastSeen?: Pick<LastSeen, 'seen'> };
  /** Absent where viewer tokens are refused as credentials of an unknown form. */
  viewers?: ViewerLookup;
  /**
   * Records that a known caller (`request.principal` or `request.viewer`) is refused.
   * The caller is refused either way; when it rejects, the request fails with that error.
   */
  onDenied?: (
    request: FastifyRequest,
    denied: { permission: Permission; reason: Denial | 'address' | 'origin' },
  ) => Promise<void> | void;
}

interface ApiTokenCaller {
  principal: Principal;
  /** Whether the token's list of addresses holds the caller's. */
  isAllowedHere: boolean;
}

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Finds the owner of an API token, where the text is not of an HTTP request.
     * Undefined when the token is not valid. Rejects with DependencyUnavailable.
     */
    apiTokenPrincipal(text: string, ip: string): Promise<ApiTokenCaller | undefined>;
  }
  interface FastifyRequest {
    /**
     * The signed-in caller. Routes that are not public set this or `viewer`; public ones neither.
     */
    principal: Principal | null;
    viewer: Viewer | null;
  }
}

type Authenticator = AuthenticationOptions & { accessTokens: AccessTokens };

interface RouteRequest {
  request: FastifyRequest;
  reply: FastifyReply;
  permission: Permission;
}

const isUnauthenticated = (error: unknown): boolean =>
  error instanceof Error && 'statusCode' in error && error.statusCode === 401;

/** The caller in a session; undefined when the token or its session is not valid. */
async function findSessionPrincipal(
  authenticator: Authenticator,
  token: string,
): Promise<Principal | undefined> {
  let claims: AccessTokenClaims;
  try {
    claims = await authenticator.accessTokens.verify(token);
  } catch (error) {
    if (isUnauthenticated(error)) return undefined;
    throw error;
  }
  const { sub: id, sid: sessionId, kid: keyId } = claims;
  const session = await authenticator.sessions.isLive({ sessionId, userId: id, role: claims.role });
  // Checked after the session, because its look-up may have taken a while.
  if (!session.live || !(await isKeyValid(authenticator, keyId))) return undefined;
  authenticator.lastSeen?.seen(sessionId);
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

async function findApiTokenCaller(
  apiTokens: AuthenticationOptions['apiTokens'],
  text: string,
  ip: string,
): Promise<ApiTokenCaller | undefined> {
  const found = await apiTokens?.lookup.find(text);
  if (!found) return undefined;
  const { token, askedAt } = found;
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

async function authenticateViewer(
  viewers: ViewerLookup,
  { request, reply }: RouteRequest,
  token: string,
): Promise<void> {
  request.viewer = (await viewers(hashViewerToken(token))) ?? null;
  if (!request.viewer) throw rejectCredentials(reply);
}

async function authenticateApiToken(
  { apiTokens, onDenied }: Authenticator,
  { request, reply, permission }: RouteRequest,
  token: string,
): Promise<void> {
  const caller = await findApiTokenCaller(apiTokens, token, request.ip);
  request.principal = caller?.principal ?? null;
  if (caller?.isAllowedHere) return;
  // Answered as an unknown token: a thief must not learn that it is valid elsewhere.
  if (caller) await onDenied?.(request, { permission, reason: 'address' });
  throw rejectCredentials(reply);
}

async function authenticateSession(
  authenticator: Authenticator,
  { request, reply, permission }: RouteRequest,
  { token, byCookie }: { token: string; byCookie: boolean },
): Promise<void> {
  const principal = await findSessionPrincipal(authenticator, token);
  if (!principal) throw rejectCredentials(reply);
  request.principal = principal;
  if (!byCookie || isSafeMethod(request.method)) return;
  // Browsers add cookies to any page's request, so a change needs our origin (OWASP ASVS 3.5.1).
  if (authenticator.cookies?.isOwnPage(request)) return;
  await authenticator.onDenied?.(request, { permission, reason: 'origin' });
  throw new OriginRefused();
}

/** Sets `request.viewer` or `request.principal`, or throws the refusal. */
function authenticate(authenticator: Authenticator, route: RouteRequest): Promise<void> {
  const { apiTokens, cookies, viewers } = authenticator;
  const { token, byCookie } = readCredentials(route.request, route.reply, cookies);
  if (token === undefined) throw rejectCredentials(route.reply);
  if (viewers && isViewerToken(token)) return authenticateViewer(viewers, route, token);
  if (apiTokens && !byCookie && isApiToken(token))
    return authenticateApiToken(authenticator, route, token);
  return authenticateSession(authenticator, route, { token, byCookie });
}

/** Why a known caller may not use the route; undefined when they may. */
function findRouteDenial(
  { principal, viewer }: FastifyRequest,
  access: Exclude<RouteAccess, 'public'>,
): Denial | undefined {
  if (viewer && access.viewer) return undefined;
  return principal ? findDenial(principal, access.permission) : 'role';
}

/**
 * Authenticates every request to a route that is not public, and requires the route's permission.
 * Registers `accessTokens` too. Register it before any route.
 */
export const authentication = fp<AuthenticationOptions>(
  async (app, options) => {
    await app.register(accessTokens, options);
    const authenticator: Authenticator = { ...options, accessTokens: app.accessTokens };
    app.decorateRequest('principal', null);
    app.decorateRequest('viewer', null);
    app.addHook('onRoute', requireStatedAccess);
    app.decorate('apiTokenPrincipal', async (text, ip) =>
      isApiToken(text) ? findApiTokenCaller(options.apiTokens, text, ip) : undefined,
    );
    app.addHook('onRequest', async (request, reply) => {
      if (request.is404) return;
      const { access } = request.routeOptions.config;
      if (access === 'public') return;
      // Only a route registered before this plugin can get here without a statement.
      if (access === undefined)
        throw new Error(`route ${request.routeOptions.url} was registered before authentication`);
      const { permission } = access;
      await authenticate(authenticator, { request, reply, permission });
      const denial = findRouteDenial(request, access);
      if (denial === undefined) return;
      await options.onDenied?.(request, { permission, reason: denial });
      if (denial === 'scope') challengeScope(reply, permission);
      throwDenied(denial);
    });
  },
  { name: '@muniment/authentication', fastify: '5.x' },
);
