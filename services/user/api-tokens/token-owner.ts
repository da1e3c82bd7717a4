import { isAllowed, PermissionDenied, sessionPrincipalOf } from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import type { FastifyRequest } from 'fastify';
import { ServiceAccountNotFound } from '../errors.ts';
import { findServiceAccount } from './service-account-queries.ts';
import type { UserContext } from '../context.ts';

/**
 * Whose tokens a request is about: the caller's own, or for whom may manage them a service account's.
 * @throws `permission_denied` (recorded) for whom may not, whether or not there is such an account; ServiceAccountNotFound also for a person's
 */
export async function tokenOwnerOf(
  { db, recordFor }: UserContext,
  request: FastifyRequest & RequestContext,
  typedId: string | undefined,
): Promise<string> {
  const userId = typedId?.toLowerCase();
  const principal = sessionPrincipalOf(request);
  if (userId === undefined || userId === principal.id) return principal.id;
  const permission = 'service-accounts:manage';
  if (!isAllowed(principal, permission)) {
    await recordFor(request, {
      action: 'ACCESS_DENIED',
      outcome: 'failure',
      metadata: {
        permission,
        reason: 'role',
        operation: request.routeOptions.config.operation ?? '',
      },
    });
    throw new PermissionDenied();
  }
  if (!(await findServiceAccount(db, userId))) throw new ServiceAccountNotFound();
  return userId;
}
