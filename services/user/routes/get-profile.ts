import { principalOf, unauthenticated } from '@muniment/security';
import type { UserServer } from '../user-server.ts';
import { findUserById } from '../queries/users.ts';
import { representUser, userSchema } from '../user-representation.ts';

/** `GET /api/users/me` */
export function getProfileRoute({ app, db }: UserServer): void {
  app.route({
    method: 'GET',
    url: '/api/users/me',
    schema: { response: { 200: userSchema } },
    config: { operation: 'user.profile', access: { permission: 'profile:read' } },
    handler: async (request) => {
      const user = await findUserById(db, principalOf(request).id);
      // Deleted a moment ago, and this replica has not heard of it.
      if (!user) throw unauthenticated();
      return representUser(user);
    },
  });
}
