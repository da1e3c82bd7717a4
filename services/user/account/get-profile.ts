import { principalOf, Unauthenticated } from '@muniment/security';
import { defineRoute, validatorFields } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { toUserResource, userSchema, userValidators } from '../users/user-resource.ts';

export const getProfile = defineRoute({
  method: 'GET',
  url: '/api/users/me',
  operation: 'account.get_profile',
  summary: "Get the caller's own profile.",
  access: { permission: 'profile:read' },
  response: { 200: userSchema },
  sends: { 200: ['ETag', 'Last-Modified'] },
  errors: [],
  handler:
    ({ findUser }: Pick<UserContext, 'findUser'>) =>
    async (request, reply) => {
      const user = await findUser(principalOf(request).id);
      // Deleted so recently that this replica does not know it yet.
      if (!user) throw new Unauthenticated();
      const resource = toUserResource(user);
      reply.headers(validatorFields(userValidators(user, resource)));
      return resource;
    },
});
