import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { challengeScope, readCredentials, rejectCredentials } from './credentials.ts';
import { CredentialsAmbiguous, OriginRefused, Unauthenticated } from './errors.ts';
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
  /** Counts a request before it is refused or served. When it rejects, so does the request. */
  onCaller?: (request: FastifyRequest) => Promise<void> | void;
  /** Counts credentials that are missing or not valid, before anything is recorded. */
  onRejected?: (request: FastifyRequest) => Promise<void> | void;
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

/** A caller whose credentials are valid. */
interface Caller {
  principal: Principal | null;
  viewer: Viewer | null;
  byCookie: boolean;
  /** Whether the API token's list of addresses holds the caller's. */
  isAllowedHere: boolean;
}

/** @throws Unauthenticated, CredentialsAmbiguous */
async function findCaller(
  authenticator: Authenticator,
  { request, reply }: RouteRequest,
): Promise<Caller> {
  const { apiTokens, cookies, viewers } = authenticator;
  const { token, byCookie } = readCredentials(request, reply, cookies);
  const caller: Caller = { principal: null, viewer: null, byCookie, isAllowedHere: true };
  if (token !== undefined && viewers && isViewerToken(token))
    caller.viewer = (await viewers(hashViewerToken(token))) ?? null;
  else if (token !== undefined && apiTokens && !byCookie && isApiToken(token))
    Object.assign(caller, await findApiTokenCaller(apiTokens, token, request.ip));
  else if (token !== undefined)
    caller.principal = (await findSessionPrincipal(authenticator, token)) ?? null;
  if (!caller.principal && !caller.viewer) throw rejectCredentials(reply);
  return caller;
}

const isRefusal = (error: unknown): boolean =>
  error instanceof Unauthenticated || error instanceof CredentialsAmbiguous;

async function countRejection(
  { onRejected }: Authenticator,
  { request, reply }: RouteRequest,
): Promise<void> {
  try {
    await onRejected?.(request);
  } catch (error) {
    // One answer for unknown tokens and for those that are valid elsewhere.
    reply.removeHeader('www-authenticate');
    throw error;
  }
}

/** Sets `request.viewer` or `request.principal`, or throws the refusal. Each one is counted. */
async function authenticate(authenticator: Authenticator, route: RouteRequest): Promise<Caller> {
  const { request, reply, permission } = route;
  const caller = await findCaller(authenticator, route).catch(async (error: unknown) => {
    if (isRefusal(error)) await countRejection(authenticator, route);
    throw error;
  });
  request.principal = caller.principal;
  request.viewer = caller.viewer;
  if (caller.isAllowedHere) return caller;
  // Answered as an unknown token: a thief must not learn that it is valid elsewhere.
  await countRejection(authenticator, route);
  await authenticator.onDenied?.(request, { permission, reason: 'address' });
  request.principal = null;
  throw rejectCredentials(reply);
}

/** @throws OriginRefused, PermissionDenied, SessionRequired, InsufficientScope */
async function authorize(
  { cookies, onDenied }: Authenticator,
  { request, reply, permission }: RouteRequest,
  { access, byCookie }: { access: Exclude<RouteAccess, 'public'>; byCookie: boolean },
): Promise<void> {
  // Browsers add cookies to any page's request: a change needs our origin (OWASP ASVS 3.5.1).
  if (byCookie && !isSafeMethod(request.method) && !cookies?.isOwnPage(request)) {
    await onDenied?.(request, { permission, reason: 'origin' });
    throw new OriginRefused();
  }
  const denial = findRouteDenial(request, access);
  if (denial === undefined) return;
  await onDenied?.(request, { permission, reason: denial });
  if (denial === 'scope') challengeScope(reply, permission);
  throwDenied(denial);
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
 * Authenticates, counts and authorises every request to a route that is not public.
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
      const { access } = request.routeOptions.config;
      if (request.is404 || access === 'public') return options.onCaller?.(request);
      // Only a route that was registered before this plugin gets here.
      if (access === undefined)
        throw new Error(`route ${request.routeOptions.url} was registered before authentication`);
      const route: RouteRequest = { request, reply, permission: access.permission };
      const { byCookie } = await authenticate(authenticator, route);
      // Counted before it is refused, so that refusals are bounded as well.
      await options.onCaller?.(request);
      await authorize(authenticator, route, { access, byCookie });
    });
  },
  { name: '@muniment/authentication', fastify: '5.x' },
);
