import type { FastifyRequest } from 'fastify';
import type { Kysely } from 'kysely';
import { Type } from 'typebox';
import { findDenial, principalOf, throwDenied } from '@muniment/security';
import { InvalidFields } from '@muniment/server';
import type { UserContext } from '../context.ts';
import type { Tables } from '../tables.ts';
import type { DirectoryUserResource } from '../users/directory-resource.ts';
import { createProfileReader } from '../vendor-profiles/profile/profile-reader.ts';
import { selectProfilesOfUsers } from '../vendor-profiles/profile/vendor-profile-queries.ts';
import type { ListedUser } from './listed-user-resource.ts';

const INCLUDES = ['metadata', 'vendor_profile'] as const;
type Include = (typeof INCLUDES)[number];
const PROFILES = 'vendor-profiles:read';

export const includeSchema = Type.Optional(
  Type.String({
    minLength: 1,
    maxLength: 100,
    description: `What to show besides, comma separated: \`${INCLUDES.join('`, `')}\`.`,
  }),
);

const isInclude = (name: string): name is Include => INCLUDES.some((known) => known === name);

/**
 * What a query includes.
 * @throws InvalidFields; InsufficientScope or RateLimited where a token may not see it, recorded
 */
export async function readInclude(
  { audit }: Pick<UserContext, 'audit'>,
  request: FastifyRequest,
  text: string | undefined,
): Promise<ReadonlySet<Include>> {
  const names = text?.split(',') ?? [];
  if (!names.every(isInclude)) {
    const message = `must be of ${INCLUDES.join(', ')}, comma separated`;
    throw new InvalidFields([{ pointer: '/querystring/include', message }]);
  }
  const denial = names.includes('vendor_profile') && findDenial(principalOf(request), PROFILES);
  if (denial) {
    const { operation = '' } = request.routeOptions.config;
    await audit.recordDenial(request, { permission: PROFILES, reason: denial, operation });
    throwDenied(denial);
  }
  return new Set(names);
}

/** Adds what is included to the users of a page, in one statement for all. */
export async function addIncluded(
  db: Kysely<Tables>,
  request: FastifyRequest,
  { users, include }: { users: DirectoryUserResource[]; include: ReadonlySet<Include> },
): Promise<ListedUser[]> {
  if (!include.has('vendor_profile')) return users;
  const ids = users.map(({ id }) => id);
  const { show } = createProfileReader(principalOf(request));
  const rows = await selectProfilesOfUsers(db, ids).execute();
  const profiles = new Map(rows.map((row) => [row.user_id, show(row)]));
  return users.map((user) => ({ ...user, vendor_profile: profiles.get(user.id) ?? null }));
}
