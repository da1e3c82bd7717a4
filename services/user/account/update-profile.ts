import type { FastifyRequest } from 'fastify';
import { Type, type Static } from 'typebox';
import { principalOf, Unauthenticated } from '@muniment/security';
import {
  defineRoute,
  hasPreconditions,
  nullable,
  requirePreconditions,
  validatorFields,
} from '@muniment/server';
import type { UserContext } from '../context.ts';
import type { User } from '../tables.ts';
import {
  changedKeys,
  mergeMetadata,
  metadataPatchSchema,
} from '../users/metadata/merge-metadata.ts';
import { lockUser, updateProfile as updateUserProfile } from '../users/user-queries.ts';
import {
  personNameSchema,
  toUserResource,
  userSchema,
  userValidators,
} from '../users/user-resource.ts';
import { profileUpdated } from './account-events.ts';

/** null clears a name. */
const nameSchema = Type.Optional(nullable(personNameSchema));
const bodySchema = Type.Object(
  {
    name: nameSchema,
    first_name: nameSchema,
    last_name: nameSchema,
    user_metadata: Type.Optional(metadataPatchSchema),
  },
  { additionalProperties: false, minProperties: 1 },
);

/** JSON Merge Patch (RFC 7396), also within user_metadata. */
export const updateProfile = defineRoute({
  method: 'PATCH',
  url: '/api/users/me',
  operation: 'account.update_profile',
  summary: "Change or clear the caller's names and user_metadata.",
  access: { permission: 'profile:write' },
  body: bodySchema,
  response: { 200: userSchema },
  sends: { 200: ['ETag', 'Last-Modified'] },
  errors: [],
  preconditions: 'handler',
  handler:
    ({ data }: Pick<UserContext, 'data'>) =>
    async (request, reply) => {
      const user = await changeProfile(data, request, request.body);
      const resource = toUserResource(user);
      reply.headers(validatorFields(userValidators(user, resource)));
      return resource;
    },
});

async function changeProfile(
  { inTransaction }: UserContext['data'],
  request: FastifyRequest,
  { user_metadata: patch, ...names }: Static<typeof bodySchema>,
): Promise<User> {
  return inTransaction(request, async (trx, record) => {
    const caller = principalOf(request);
    // A merge depends on the state that it changes.
    const mustLock = patch !== undefined || hasPreconditions(request);
    const locked = mustLock ? await lockUser(trx, caller.id) : undefined;
    if (mustLock && !locked) throw new Unauthenticated();
    if (locked) requirePreconditions(request, userValidators(locked, toUserResource(locked)));
    const metadata =
      locked && patch !== undefined
        ? mergeMetadata(locked.user_metadata, { patch, pointer: '/user_metadata' })
        : undefined;
    const change = { ...names, ...(metadata && { user_metadata: metadata }) };
    const updated = await updateUserProfile(trx, caller, change);
    if (!updated) throw new Unauthenticated();
    const metadataKeys = locked && metadata && changedKeys(locked.user_metadata, metadata);
    await record(
      profileUpdated(caller.id, { fields: Object.keys(change).toSorted(), metadataKeys }),
    );
    return updated;
  });
}
