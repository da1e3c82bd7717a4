import type { FastifyRequest } from 'fastify';
import { isAllowed, principalOf } from '@muniment/security';

/** Who reads the trail, and thereby which part of it. */
export type Reader =
  /** Sees what concerns them. */
  | { kind: 'user'; userId: string }
  /** Sees everything. */
  | { kind: 'all'; userId: string }
  /** Sees a tenant's `app` events, by a viewer token. It has neither user nor session. */
  | { kind: 'viewer'; tenantId: string; tokenId: string };

/**
 * The caller of a request as a reader. Public routes have none.
 * @param scope `own`: as a user, though the caller may read more
 */
export function readerOf(request: FastifyRequest, scope?: 'own'): Reader {
  if (request.viewer)
    return { kind: 'viewer', tenantId: request.viewer.tenantId, tokenId: request.viewer.tokenId };
  const principal = principalOf(request);
  const { id: userId } = principal;
  return scope === undefined && isAllowed(principal, 'audit:read-all')
    ? { kind: 'all', userId }
    : { kind: 'user', userId };
}
