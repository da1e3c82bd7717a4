import type { FastifyRequest } from 'fastify';
import type { Transaction } from 'kysely';
import { PermissionDenied } from '@muniment/security';
import { hasPreconditions, requirePreconditions, type RequestContext } from '@muniment/server';
import type { UserContext } from '../../context.ts';
import { PreconditionRequired } from '../../errors.ts';
import type { Tables } from '../../tables.ts';
import { findDirectoryUser } from '../../users/directory-queries.ts';
import { directoryValidators, toDirectoryUser } from '../../users/directory-resource.ts';

/**
 * Checks that a change names the state that it changes, on the user that the transaction locks.
 * @throws PreconditionRequired at once; PreconditionFailed by what it returns
 */
export function requireMatch(
  { config }: Pick<UserContext, 'config'>,
  request: FastifyRequest,
  id: string,
): (trx: Transaction<Tables>) => Promise<void> {
  if (config.REQUIRE_IF_MATCH === 'on' && request.headers['if-match'] === undefined)
    throw new PreconditionRequired();
  return async (trx) => {
    if (!hasPreconditions(request)) return;
    const user = await findDirectoryUser(trx, id);
    requirePreconditions(request, user && directoryValidators(toDirectoryUser(user)));
  };
}

/**
 * Does what only the locked row may refuse, and records the refusal: an API token asked for an
 * account above it.
 * @param request of a route, or a message that names its operation
 * @throws as `work`, RateLimited
 */
export async function recordRefusal<T>(
  { audit }: Pick<UserContext, 'audit'>,
  request: FastifyRequest | (RequestContext & { operation: string }),
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof PermissionDenied)) throw error;
    const { operation = '' } = 'routeOptions' in request ? request.routeOptions.config : request;
    const permission = 'directory:write';
    await audit.recordDenial(request, { permission, reason: 'privileged_target', operation });
    throw error;
  }
}
