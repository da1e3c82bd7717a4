import { strictObject, uuid } from '@muniment/server';
import { deleteUser } from '../users/user-queries.ts';
import { callerOf, defineChannel, successSchema } from './channel.ts';
import { lockUserFor } from './lock-user.ts';
import { userDeleted } from './message-events.ts';

/** Deletes the token's owner; an administrator's token deletes others too. */
export const userDelete = defineChannel({
  name: 'user/delete',
  operation: 'web-socket.delete_user',
  summary: "Delete the token's owner (profile:delete), or another user (directory:write).",
  answer: successSchema,
  access: { own: 'profile:delete', any: 'directory:write' },
  payload: strictObject({ id: uuid }),
  async run(context, request, { id }) {
    const caller = callerOf(request);
    await context.data.inTransaction(request, async (trx, record) => {
      await lockUserFor(trx, caller, id);
      await deleteUser(trx, id);
      await record(userDeleted(id));
    });
    context.auth.sessions.dropUser(id);
    context.crypto.subjectKeys.drop(id);
    return { success: true as const };
  },
});
