import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import fp from 'fastify-plugin';
import { accessTokens, type AccessTokenOptions } from './access-tokens.ts';
import { permissionDenied, unauthenticated } from './errors.ts';
import { isPermission, type Permission, type Role, roleMay } from './permissions.ts';
import type { SessionLookup } from './sessions.ts';

/** Who may call a route. Every route says it in its `config`; one that does not keeps the app from starting. */
export type RouteAccess = 'public' | { permission: Permission };

/** The signed-in caller of a request. What lasts longer than a request must end at `expiresAt`, the end of the token. */
export type Principal = { id: string; role: Role; sessionId: string; tokenId: string; keyId: string; expiresAt: Date };

export type AuthenticationOptions = AccessTokenOptions & {
  sessions: SessionLookup;
  /**
   * Called before a signed-in caller (`request.principal`) is refused for want of a permission, so that a service can record
   * it. When it rejects, the request fails with that error instead; it is refused either way.
   */
  onDenied?: (request: FastifyRequest, denied: { permission: Permission }) => Promise<void> | void;
};

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: RouteAccess;
  }
  interface FastifyRequest {
    /** Set on every route that is not public; null on public ones. */
    principal: Principal | null;
  }
}

/** RFC 6750 §2.1; the scheme in any case, by RFC 9110 §11.1. */
const bearer = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;

const challenge = (reply: FastifyReply, error?: 'invalid_token') =>
  reply.header('www-authenticate', `Bearer realm="muniment"${error ? `, error="${error}"` : ''}`);

const requireStatedAccess = (route: RouteOptions): void => {
  const access = route.config?.access;
  if (access === 'public' || (typeof access === 'object' && isPermission(access.permission))) return;
  const { method, url } = route;
  if (access === undefined && method === 'OPTIONS' && url.endsWith('*')) {
    // @fastify/cors registers OPTIONS * so that its hook runs; a preflight carries no credentials (Fetch standard).
    route.config = { ...route.config, access: 'public' };
    return;
  }
  throw new Error(`route ${String(method)} ${url} does not say who may call it: set config.access to 'public' or { permission }`);
};

const isSafe = (method: string) => method === 'GET' || method === 'HEAD';

/**
 * Authenticates every request by its `Authorization: Bearer` header, unless its route is public, and refuses it unless the
 * caller's role has the route's permission. Registers `accessTokens` too. Register it before any route.
 */
export const authentication = fp<AuthenticationOptions>(async (app, options) => {
  const { sessions, onDenied } = options;
  await app.register(accessTokens, options);
  app.decorateRequest('principal', null);
  app.addHook('onRoute', requireStatedAccess);

  const authenticate = async (request: FastifyRequest, reply: FastifyReply): Promise<Principal> => {
    const { authorization } = request.headers;
    if (authorization === undefined) {
      challenge(reply);
      throw unauthenticated();
    }
    // The length comes first: nothing is matched or hashed that could not be a token.
    const token = authorization.length <= 8_192 ? bearer.exec(authorization)?.[1] : undefined;
    const claims = token === undefined ? undefined : await app.accessTokens.verify(token).catch((error: unknown) => {
      if (error instanceof Error && 'statusCode' in error && error.statusCode === 401) return undefined;
      throw error;
    });
    // The user id is compared too: a session id alone must never lend another user's rights.
    const session = claims && await sessions.isLive(claims.sid, { fresh: !isSafe(request.method) });
    if (!claims || !session?.live || session.userId !== claims.sub) {
      challenge(reply, 'invalid_token');
      throw unauthenticated();
    }
    // The role of the row, not of the token: a demoted admin is one no longer, though the token lives on for minutes.
    return { id: claims.sub, role: session.role, sessionId: claims.sid, tokenId: claims.jti, keyId: claims.kid, expiresAt: new Date(claims.exp * 1_000) };
  };

  app.addHook('onRequest', async (request, reply) => {
    if (request.is404) return;
    const { access } = request.routeOptions.config;
    if (access === 'public') return;
    // Only a route registered before this plugin can still get here without a statement.
    if (access === undefined) throw new Error(`route ${request.routeOptions.url} was registered before authentication`);
    const principal = await authenticate(request, reply);
    request.principal = principal;
    if (roleMay(principal.role, access.permission)) return;
    await onDenied?.(request, { permission: access.permission });
    throw permissionDenied();
  });
}, { name: '@muniment/authentication', fastify: '5.x' });

/** The caller in a handler of a route that is not public. */
export const principalOf = (request: FastifyRequest): Principal => {
  if (!request.principal) throw new Error('a public route has no principal');
  return request.principal;
};
