import { Type } from 'typebox';
import { principalOf, Unauthenticated } from '@muniment/security';
import {
  defineRoute,
  hasPreconditions,
  nullable,
  requirePreconditions,
  validatorFields,
} from '@muniment/server';
import type { UserContext } from '../context.ts';
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
  { name: nameSchema, first_name: nameSchema, last_name: nameSchema },
  { additionalProperties: false, minProperties: 1 },
);

export const updateProfile = defineRoute({
  method: 'PATCH',
  url: '/api/users/me',
  operation: 'account.update_profile',
  summary: "Change or clear the caller's names.",
  access: { permission: 'profile:write' },
  body: bodySchema,
  response: { 200: userSchema },
  sends: { 200: ['ETag', 'Last-Modified'] },
  errors: [],
  preconditions: 'handler',
  handler:
    ({ data }: Pick<UserContext, 'data'>) =>
    async (request, reply) => {
      const user = await data.inTransaction(request, async (trx, record) => {
        const caller = principalOf(request);
        if (hasPreconditions(request)) {
          const locked = await lockUser(trx, caller.id);
          if (!locked) throw new Unauthenticated();
          requirePreconditions(request, userValidators(locked, toUserResource(locked)));
        }
        const updated = await updateUserProfile(trx, caller, request.body);
        if (!updated) throw new Unauthenticated();
        await record(profileUpdated(caller.id, Object.keys(request.body).sort()));
        return updated;
      });
      const resource = toUserResource(user);
      reply.headers(validatorFields(userValidators(user, resource)));
      return resource;
    },
});
