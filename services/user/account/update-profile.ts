import { Type } from 'typebox';
import { principalOf, Unauthenticated } from '@muniment/security';
import { defineRoute, nullable } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { updateProfile as updateUserProfile } from '../users/user-queries.ts';
import { personNameSchema, toUserResource, userSchema } from '../users/user-resource.ts';
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
  errors: [],
  handler:
    ({ data }: Pick<UserContext, 'data'>) =>
    (request) =>
      data.inTransaction(request, async (trx, record) => {
        const caller = principalOf(request);
        const user = await updateUserProfile(trx, caller, request.body);
        if (!user) throw new Unauthenticated();
        await record(profileUpdated(caller.id, Object.keys(request.body).sort()));
        return toUserResource(user);
      }),
});
