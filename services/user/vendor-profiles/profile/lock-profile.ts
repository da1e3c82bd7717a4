import { principalOf } from '@muniment/security';
import { requirePreconditions } from '@muniment/server';
import type { FastifyRequest } from 'fastify';
import type { Transaction } from 'kysely';
import type { UserContext } from '../../context.ts';
import { VendorProfileNotFound } from '../../errors.ts';
import type { Tables, User, VendorProfile } from '../../tables.ts';
import { lockUser } from '../../users/user-queries.ts';
import { requireReach } from './profile-reach.ts';
import { createProfileReader } from './profile-reader.ts';
import { findVisibleProfile } from './show-profile.ts';
import { lockProfile } from './vendor-profile-queries.ts';
import { profileValidators } from './vendor-profile-resource.ts';

/**
 * The profile that a request may change, before its transaction begins.
 * @throws VendorProfileNotFound, PermissionDenied or RateLimited, recorded
 */
export async function findChangeableProfile(
  context: Pick<UserContext, 'data' | 'audit'>,
  request: FastifyRequest,
  id: string,
): Promise<VendorProfile> {
  const profile = await findVisibleProfile(context.data.db, request, { id });
  await requireReach(context, request, profile.user_id);
  return profile;
}

/**
 * The same, with the request's conditions judged before a file is stored; the lock judges again.
 * @throws PreconditionFailed besides
 */
export async function findUnchangedProfile(
  context: Pick<UserContext, 'data' | 'audit'>,
  request: FastifyRequest<{ Params: { id: string } }>,
): Promise<VendorProfile> {
  const profile = await findChangeableProfile(context, request, request.params.id);
  const resource = createProfileReader(principalOf(request)).show(profile);
  requirePreconditions(request, profileValidators(profile, resource));
  return profile;
}

/**
 * Locks a profile behind its user, in the order of the triggers, and judges the request's
 * conditions on it.
 * @throws VendorProfileNotFound where it was deleted meanwhile, PreconditionFailed
 */
export async function lockProfileAndUser(
  trx: Transaction<Tables>,
  request: FastifyRequest,
  { id, user_id: userId }: VendorProfile,
): Promise<{ profile: VendorProfile; user: User }> {
  const user = await lockUser(trx, userId);
  const profile = await lockProfile(trx, id);
  if (!user || !profile) throw new VendorProfileNotFound();
  const resource = createProfileReader(principalOf(request)).show(profile);
  requirePreconditions(request, profileValidators(profile, resource));
  return { profile, user };
}
