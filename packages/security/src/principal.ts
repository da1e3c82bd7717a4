import type { FastifyRequest } from 'fastify';
import { InsufficientScope, PermissionDenied, SessionRequired } from './errors.ts';
import { type Denial, denialOf, type Permission, type Role } from './permissions.ts';

/**
 * The caller in a session or by an API token, which may do less than `role`: see `isAllowed`.
 * Work that outlasts the request must end at `expiresAt`.
 */
export type Principal = { id: string; role: Role; expiresAt: Date } & (
  | { sessionId: string; tokenId: string; keyId: string; apiToken: null }
  | { sessionId: null; apiToken: { id: string; scopes: readonly Permission[]; askedAt: number } }
);

export type SessionPrincipal = Principal & { sessionId: string };

/** RFC 6750 §3.1: only a missing scope is the token's fault. */
const DENIAL_ERRORS = {
  role: PermissionDenied,
  session_required: SessionRequired,
  scope: InsufficientScope,
} as const satisfies Record<Denial, unknown>;

/** Why a caller may not do something; undefined when they may. */
export function findDenial(
  { role, apiToken }: Principal,
  permission: Permission,
): Denial | undefined {
  return denialOf({ role, scopes: apiToken ? apiToken.scopes : null }, permission);
}

/** Whether the user's role and the API token's scopes allow it. */
export function isAllowed(principal: Principal, permission: Permission): boolean {
  return findDenial(principal, permission) === undefined;
}

/** @throws PermissionDenied, SessionRequired, InsufficientScope */
export function throwDenied(denial: Denial): never {
  throw new DENIAL_ERRORS[denial]();
}

/** The caller of a route that is neither public nor open to viewer tokens. */
export function principalOf(request: FastifyRequest): Principal {
  if (!request.principal) throw new Error('nobody is signed in');
  return request.principal;
}

/** The caller of a route whose permission requires a session. */
export function sessionPrincipalOf(request: FastifyRequest): SessionPrincipal {
  const principal = principalOf(request);
  if (principal.sessionId === null) throw new Error('the caller is in no session');
  return principal;
}
