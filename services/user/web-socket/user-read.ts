import { Type } from 'typebox';
import { UserNotFound } from '../errors.ts';
import { findUserById } from '../users/user-queries.ts';
import { callerOf, requirePermission, defineChannel } from './channel.ts';

/** The token's own user; for an administrator any. */
export const userRead = defineChannel({
  name: 'user/read',
  token: true,
  payload: Type.Object({ id: Type.String({ format: 'uuid' }) }, { additionalProperties: false }),
  async run(server, request, { id }) {
    // By the id alone: whether there is such a user is told to nobody who may not read them.
    await requirePermission(
      server,
      request,
      id === callerOf(request).id ? 'profile:read' : 'directory:read',
    );
    const user = await findUserById(server.db, id);
    if (!user) throw new UserNotFound();
    return {
      id: user.id,
      name: user.name,
      email: user.email,
      created_at: user.created.toISOString(),
    };
  },
});
