import { PermissionDenied, principalOf, reachOf } from '@muniment/security';
import type { FastifyRequest } from 'fastify';
import type { UserContext } from '../../context.ts';

const PERMISSION = 'vendor-profiles:write';

/**
 * Lets vendors change their own profile, and administrators any.
 * @throws PermissionDenied or RateLimited, recorded
 */
export async function requireReach(
  { audit }: Pick<UserContext, 'audit'>,
  request: FastifyRequest,
  userId: string,
): Promise<void> {
  const { id, role } = principalOf(request);
  if (id === userId || reachOf(role, PERMISSION) === 'any') return;
  const { operation = '' } = request.routeOptions.config;
  await audit.recordDenial(request, { permission: PERMISSION, reason: 'role', operation });
  throw new PermissionDenied();
}
