import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { challengeScope, readCredentials, rejectCredentials } from './credentials.ts';
import { OriginRefused } from './errors.ts';
import {
  findApiTokenCaller,
  findSessionPrincipal,
  type ApiTokenCaller,
  type ApiTokenSources,
  type SessionSources,
} from './find-caller.ts';
import type { Denial, Permission } from './permissions.ts';
import { findDenial, type Principal, throwDenied } from './principal.ts';
import { isSafeMethod, requireStatedAccess, type RouteAccess } from './route-access.ts';
import {
  accessTokens,
  type AccessTokenOptions,
  type AccessTokens,
} from './tokens/access-tokens.ts';
import { isApiToken } from './tokens/api-tokens.ts';
import type { SessionCookies } from './tokens/session-cookies.ts';
import {
  hashViewerToken,
  isViewerToken,
  type Viewer,
  type ViewerLookup,
} from './tokens/viewer-tokens.ts';

export interface AuthenticationOptions
  extends AccessTokenOptions, Omit<SessionSources, 'accessTokens'> {
  /** Absent where sessions never come in cookies. */
  cookies?: Pick<SessionCookies, 'accessToken' | 'isOwnPage'>;
  /** Absent where API tokens have an unknown form. */
  apiTokens?: ApiTokenSources;
  /** Absent where viewer tokens have an unknown form. */
  viewers?: ViewerLookup;
  /** Records the refusal of a known caller. When it rejects, so does the request. */
  onDenied?: (
    request: FastifyRequest,
    denied: { permission: Permission; reason: Denial | 'address' | 'origin' },
  ) => Promise<void> | void;
}

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Finds the owner of an API token outside a request; undefined when it is invalid.
     * Rejects with DependencyUnavailable.
     */
    apiTokenPrincipal(text: string, ip: string): Promise<ApiTokenCaller | undefined>;
  }
  interface FastifyRequest {
    /** The signed-in caller. Routes that are not public set this or `viewer`. */
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
  // Browsers add cookies to any page's request: a change needs our origin (OWASP ASVS 3.5.1).
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
 * Authenticates and authorises every request to a route that is not public.
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
      // Only a route that was registered before this plugin gets here.
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
