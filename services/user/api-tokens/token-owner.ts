import { isAllowed, PermissionDenied, sessionPrincipalOf } from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import type { FastifyRequest } from 'fastify';
import { ServiceAccountNotFound } from '../errors.ts';
import { findServiceAccount } from './service-account-queries.ts';
import type { UserContext } from '../context.ts';

/**
 * The owner of the tokens: the caller or, for administrators, a service account.
 * @throws PermissionDenied or RateLimited, recorded, before the account is looked up
 * @throws ServiceAccountNotFound
 */
export async function findTokenOwnerId(
  { data, audit }: Pick<UserContext, 'data' | 'audit'>,
  request: FastifyRequest & RequestContext,
  wantedId: string | undefined,
): Promise<string> {
  const userId = wantedId?.toLowerCase();
  const principal = sessionPrincipalOf(request);
  if (userId === undefined || userId === principal.id) return principal.id;
  const permission = 'service-accounts:manage';
  if (!isAllowed(principal, permission)) {
    const { operation = '' } = request.routeOptions.config;
    await audit.recordDenial(request, { permission, reason: 'role', operation });
    throw new PermissionDenied();
  }
  if (!(await findServiceAccount(data.db, userId))) throw new ServiceAccountNotFound();
  return userId;
}
