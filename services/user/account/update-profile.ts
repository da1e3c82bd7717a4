import { Type } from 'typebox';
import { principalOf, Unauthenticated } from '@muniment/security';
import type { UserContext } from '../context.ts';
import { updateProfile } from '../users/user-queries.ts';
import { personNameSchema, toUserResource, userSchema } from '../users/user-resource.ts';

const clearableName = Type.Optional(Type.Union([personNameSchema, Type.Null()]));
const bodySchema = Type.Object(
  { name: clearableName, first_name: clearableName, last_name: clearableName },
  { additionalProperties: false, minProperties: 1 },
);

/** `PATCH /api/users/me`: the names; null clears one. */
export function updateProfileRoute({ app, inTransaction }: UserContext): void {
  app.route({
    method: 'PATCH',
    url: '/api/users/me',
    schema: { body: bodySchema, response: { 200: userSchema } },
    config: { operation: 'user.update', access: { permission: 'profile:write' } },
    handler: (request) =>
      inTransaction(request, async (trx, record) => {
        const caller = principalOf(request);
        const { id } = caller;
        const user = await updateProfile(trx, caller, request.body);
        if (!user) throw new Unauthenticated();
        // Which names, not what they are: a name is personal, and the trail is for ever.
        await record({
          action: 'USER_UPDATED',
          resource: id,
          resource_type: 'user',
          metadata: { fields: Object.keys(request.body).sort() },
        });
        return toUserResource(user);
      }),
  });
}
