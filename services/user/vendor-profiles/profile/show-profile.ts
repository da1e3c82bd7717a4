import { principalOf } from '@muniment/security';
import { validatorFields } from '@muniment/server';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Kysely } from 'kysely';
import { VendorProfileNotFound } from '../../errors.ts';
import type { Tables, VendorProfile } from '../../tables.ts';
import { createProfileReader } from './profile-reader.ts';
import { findProfile } from './vendor-profile-queries.ts';
import { profileValidators, type VendorProfileResource } from './vendor-profile-resource.ts';

/** @throws VendorProfileNotFound also where the request's caller may not see it */
export async function findVisibleProfile(
  db: Kysely<Tables>,
  request: FastifyRequest,
  by: { id: string } | { user_id: string },
): Promise<VendorProfile> {
  const profile = await findProfile(db, by);
  if (!profile || !createProfileReader(principalOf(request)).canSee(profile))
    throw new VendorProfileNotFound();
  return profile;
}

/** A profile as the request's caller sees it, with its validators in the answer. */
export function showProfile(
  request: FastifyRequest,
  reply: FastifyReply,
  profile: VendorProfile,
): VendorProfileResource {
  const resource = createProfileReader(principalOf(request)).show(profile);
  reply.headers(validatorFields(profileValidators(profile, resource)));
  return resource;
}
