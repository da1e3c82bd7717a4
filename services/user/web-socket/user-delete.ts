import { Type } from 'typebox';
import { deleteUser } from '../users/user-queries.ts';
import { callerOf, requirePermission, defineChannel } from './channel.ts';
import { lockUserFor } from './other-user.ts';

/** The token's own user, with everything that is theirs; for an administrator any but administrators and service accounts. */
export const userDelete = defineChannel({
  name: 'user/delete',
  token: true,
  payload: Type.Object({ id: Type.String({ format: 'uuid' }) }, { additionalProperties: false }),
  async run(server, request, { id }) {
    const caller = await requirePermission(
      server,
      request,
      id === callerOf(request).id ? 'profile:delete' : 'directory:write',
    );
    await server.inTransaction(request, async (trx, record) => {
      await lockUserFor(trx, caller, id);
      await deleteUser(trx, id);
      await record({ action: 'USER_DELETED', resource: id, resource_type: 'user' });
    });
    server.sessions.dropUser(id);
    server.subjectKeys.drop(id);
    return { success: true };
  },
});
