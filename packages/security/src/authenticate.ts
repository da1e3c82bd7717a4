import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import fp from 'fastify-plugin';
import { accessTokens, type AccessTokenOptions } from './tokens/access-tokens.ts';
import type { LastSeen } from './sessions/last-seen.ts';
import { isAddressAllowed } from './network/ip-ranges.ts';
import type { ApiTokenLookup } from './sessions/api-token-lookup.ts';
import { isApiToken } from './tokens/api-tokens.ts';
import {
  InsufficientScope,
  OriginRefused,
  PermissionDenied,
  SessionRequired,
  Unauthenticated,
} from './errors.ts';
import { type Denial, denialOf, isPermission, type Permission, type Role } from './permissions.ts';
import { isKeyValid } from './keys/public-key-ring.ts';
import type { Revocations } from './sessions/revocations.ts';
import type { SessionCookies } from './tokens/session-cookies.ts';
import type { SessionLookup } from './sessions/session-lookup.ts';
import {
  hashViewerToken,
  isViewerToken,
  type Viewer,
  type ViewerLookup,
} from './tokens/viewer-tokens.ts';

/**
 * Who may call a route. Every route says it in its `config`; one that does not keeps the app from starting. `viewer`: who holds a viewer token
 * may as well, only to read.
 */
export type RouteAccess = 'public' | { permission: Permission; viewer?: true };

/**
 * The signed-in caller of a request: in a session, or by an API token. `role` is the user's; what an API token may do is less, so it is for `mayDo` to say.
 * What lasts longer than a request must end at `expiresAt`, the end of the token.
 */
export type Principal = { id: string; role: Role; expiresAt: Date } & (
  | { sessionId: string; tokenId: string; keyId: string; apiToken: null }
  | { sessionId: null; apiToken: { id: string; scopes: readonly Permission[]; askedAt: number } }
);

/** A caller's principal in a session. */
export type SessionPrincipal = Principal & { sessionId: string };

export type AuthenticationOptions = AccessTokenOptions & {
  sessions: SessionLookup;
  revocations: Revocations;
  /** Told of each session that is used. */
  lastSeen?: Pick<LastSeen, 'seen'>;
  /** Only where a session may come in cookies. */
  cookies?: Pick<SessionCookies, 'accessToken' | 'isOwnPage'>;
  /** Only where API tokens count; elsewhere they are credentials of an unknown form. */
  apiTokens?: { lookup: ApiTokenLookup; lastSeen?: Pick<LastSeen, 'seen'> };
  /** Only where viewer tokens count; elsewhere they are credentials of an unknown form. */
  viewers?: ViewerLookup;
  /**
   * Called before a caller (`request.principal` or `request.viewer`) is refused for want of a permission, or because a page that is not ours uses
   * their cookies, so that a service can record it. When it rejects, the request fails with that error instead; it is refused either way.
   */
  onDenied?: (
    request: FastifyRequest,
    denied: { permission: Permission; reason: Denial | 'address' | 'origin' },
  ) => Promise<void> | void;
};

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: RouteAccess;
  }
  interface FastifyInstance {
    /**
     * Whose an API token is, and whether it counts from that address, for what is no HTTP request. Undefined when it is none, or counts no more. Rejects
     * with `dependency_unavailable`.
     */
    apiTokenPrincipal(
      text: string,
      ip: string,
    ): Promise<{ principal: Principal; isAllowedHere: boolean } | undefined>;
  }
  interface FastifyRequest {
    /** The signed-in caller. On a route that is not public either this or `viewer` is set; on public ones neither. */
    principal: Principal | null;
    viewer: Viewer | null;
  }
}

/** RFC 6750 §2.1; the scheme in any case, by RFC 9110 §11.1. */
const bearer = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;

const challenge = (reply: FastifyReply, error?: 'invalid_token') =>
  reply.header('www-authenticate', `Bearer realm="muniment"${error ? `, error="${error}"` : ''}`);

/** RFC 6750 §3.1. What else is missing is no matter of the token. */
const DENIAL_ERRORS = {
  role: PermissionDenied,
  session_required: SessionRequired,
  scope: InsufficientScope,
} as const satisfies Record<Denial, unknown>;

/** What a caller may do now, by the role of the user and the scopes of the API token. */
export const isAllowed = (principal: Principal, permission: Permission): boolean =>
  findDenial(principal, permission) === undefined;

/** What keeps a caller from something; undefined: nothing does. */
export const findDenial = (
  { role, apiToken }: Principal,
  permission: Permission,
): Denial | undefined => denialOf({ role, scopes: apiToken ? apiToken.scopes : null }, permission);

/** @throws `permission_denied`, `session_required` or `insufficient_scope` */
export const throwDenied = (denial: Denial): never => {
  throw new DENIAL_ERRORS[denial]();
};

const isSafe = (method: string) => method === 'GET' || method === 'HEAD';

const isRepeated = (rawHeaders: readonly string[], name: string): boolean => {
  let found = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const each = rawHeaders[index] ?? '';
    if (each.length === name.length && each.toLowerCase() === name) found += 1;
  }
  return found > 1;
};

const requireStatedAccess = (route: RouteOptions): void => {
  const access = route.config?.access;
  const { method, url } = route;
  if (typeof access === 'object' && access.viewer && ![method].flat().every(isSafe))
    throw new Error(`route ${String(method)} ${url} would let a viewer token change something`);
  if (access === 'public' || (typeof access === 'object' && isPermission(access.permission)))
    return;
  if (access === undefined && method === 'OPTIONS' && url.endsWith('*')) {
    // @fastify/cors registers OPTIONS * so that its hook runs; a preflight carries no credentials (Fetch standard).
    route.config = { ...route.config, access: 'public' };
    return;
  }
  throw new Error(
    `route ${String(method)} ${url} does not say who may call it: set config.access to 'public' or { permission }`,
  );
};

/**
 * Authenticates every request by its `Authorization: Bearer` header or, without one, its session cookies, unless its route is public, and refuses it unless the
 * caller's role has the route's permission. Registers `accessTokens` too. Register it before any route.
 */
export const authentication = fp<AuthenticationOptions>(
  async (app, options) => {
    const { keys, sessions, lastSeen, cookies, apiTokens, revocations, viewers, onDenied } =
      options;
    await app.register(accessTokens, options);
    app.decorateRequest('principal', null);
    app.decorateRequest('viewer', null);
    app.addHook('onRoute', requireStatedAccess);

    /** The token, absent for credentials of another form, and whether it came in cookies. */
    const credentialsOf = (
      request: FastifyRequest,
      reply: FastifyReply,
    ): { token?: string | undefined; byCookie: boolean } => {
      const inCookies = cookies?.accessToken(request);
      if (inCookies) return { ...inCookies, byCookie: true };
      const { authorization } = request.headers;
      if (authorization === undefined) {
        challenge(reply);
        throw new Unauthenticated();
      }
      // Node takes the first of several and drops the others: which of them the gateway or a filter before it looked at is anybody's guess.
      if (isRepeated(request.raw.rawHeaders, 'authorization'))
        return { token: undefined, byCookie: false };
      // The length comes first: nothing is matched or hashed that could not be a token.
      return {
        token: authorization.length <= 8_192 ? bearer.exec(authorization)?.[1] : undefined,
        byCookie: false,
      };
    };

    const refused = (reply: FastifyReply): Error => {
      challenge(reply, 'invalid_token');
      return new Unauthenticated();
    };

    const signedIn = async (token: string | undefined, reply: FastifyReply): Promise<Principal> => {
      const claims =
        token === undefined
          ? undefined
          : await app.accessTokens.verify(token).catch((error: unknown) => {
              if (error instanceof Error && 'statusCode' in error && error.statusCode === 401)
                return undefined;
              throw error;
            });
      if (!claims) throw refused(reply);
      const { sub: id, sid: sessionId, kid, role: claimed } = claims;
      const session = await sessions.isLive({ sessionId, userId: id, role: claimed });
      // After the session, which may have taken its time to look up.
      if (!session.live || !(await isKeyValid({ revocations, keys }, kid))) throw refused(reply);
      lastSeen?.seen(sessionId);
      return {
        id,
        role: session.role,
        sessionId,
        tokenId: claims.jti,
        keyId: kid,
        expiresAt: new Date(claims.exp * 1_000),
        apiToken: null,
      };
    };

    const byApiToken = async (
      text: string,
      ip: string,
    ): Promise<{ principal: Principal; isAllowedHere: boolean } | undefined> => {
      const found = await apiTokens?.lookup.find(text);
      if (!found) return undefined;
      const {
        token: { id, userId, role, scopes, allowedIps, expiresAt },
        askedAt,
      } = found;
      const isAllowedHere = isAddressAllowed(allowedIps, ip);
      if (isAllowedHere) apiTokens?.lastSeen?.seen(id, ip);
      return {
        principal: {
          id: userId,
          role,
          sessionId: null,
          apiToken: { id, scopes, askedAt },
          expiresAt,
        },
        isAllowedHere,
      };
    };
    app.decorate('apiTokenPrincipal', (text, ip) =>
      isApiToken(text) ? byApiToken(text, ip) : Promise.resolve(undefined),
    );

    app.addHook('onRequest', async (request, reply) => {
      if (request.is404) return;
      const { access } = request.routeOptions.config;
      if (access === 'public') return;
      // Only a route registered before this plugin can still get here without a statement.
      if (access === undefined)
        throw new Error(`route ${request.routeOptions.url} was registered before authentication`);
      const { token, byCookie } = credentialsOf(request, reply);
      if (viewers && token !== undefined && isViewerToken(token)) {
        const viewer = await viewers(hashViewerToken(token));
        if (!viewer) throw refused(reply);
        request.viewer = viewer;
        if (access.viewer) return;
      } else if (apiTokens && !byCookie && token !== undefined && isApiToken(token)) {
        const found = await byApiToken(token, request.ip);
        request.principal = found?.principal ?? null;
        // The same answer as to an unknown one: whoever found a token must not learn that it is good elsewhere. Its owner can read it in the trail.
        if (found && !found.isAllowedHere)
          await onDenied?.(request, { permission: access.permission, reason: 'address' });
        if (!found?.isAllowedHere) throw refused(reply);
      } else {
        request.principal = await signedIn(token, reply);
        // A browser adds cookies to whatever it sends, so a change must be shown to be a page's of ours (OWASP ASVS 3.5.1).
        if (byCookie && !isSafe(request.method) && !cookies?.isOwnPage(request)) {
          await onDenied?.(request, { permission: access.permission, reason: 'origin' });
          throw new OriginRefused();
        }
      }
      const denial = request.principal ? findDenial(request.principal, access.permission) : 'role';
      if (denial === undefined) return;
      await onDenied?.(request, { permission: access.permission, reason: denial });
      if (denial === 'scope')
        reply.header(
          'www-authenticate',
          `Bearer realm="muniment", error="insufficient_scope", scope="${access.permission}"`,
        );
      throwDenied(denial);
    });
  },
  { name: '@muniment/authentication', fastify: '5.x' },
);

/** The signed-in caller, in a handler of a route that is neither public nor open to viewer tokens. */
export const principalOf = (request: FastifyRequest): Principal => {
  if (!request.principal) throw new Error('nobody is signed in');
  return request.principal;
};

/** The same, in a handler of a route whose permission takes a session. */
export const sessionPrincipalOf = (request: FastifyRequest): SessionPrincipal => {
  const principal = principalOf(request);
  if (principal.sessionId === null) throw new Error('the caller is in no session');
  return principal;
};
