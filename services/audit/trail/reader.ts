import type { FastifyRequest } from 'fastify';
import { isAllowed, principalOf } from '@muniment/security';

/** Who reads the trail, and with it which part of it they see. */
export type Reader =
  /** What concerns them. */
  | { kind: 'user'; userId: string }
  /** Everything. */
  | { kind: 'all'; userId: string }
  /** What a tenant's own services recorded (source `app`), by a viewer token. No user, and no session. */
  | { kind: 'viewer'; tenantId: string; tokenId: string };

/**
 * The reader that a request's caller is. Of a public route there is none.
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
