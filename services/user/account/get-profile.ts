import { principalOf, Unauthenticated } from '@muniment/security';
import type { UserContext } from '../context.ts';
import { findUserById } from '../users/user-queries.ts';
import { toUserResource, userSchema } from '../users/user-resource.ts';

/** `GET /api/users/me` */
export function getProfileRoute({ app, db }: UserContext): void {
  app.route({
    method: 'GET',
    url: '/api/users/me',
    schema: { response: { 200: userSchema } },
    config: { operation: 'user.profile', access: { permission: 'profile:read' } },
    handler: async (request) => {
      const user = await findUserById(db, principalOf(request).id);
      // Deleted a moment ago, and this replica has not heard of it.
      if (!user) throw new Unauthenticated();
      return toUserResource(user);
    },
  });
}
