import { strictObject, uuid } from '@muniment/server';
import { recordRefusal } from '../directory/changes/guard-change.ts';
import { removeUser } from '../directory/changes/remove-user.ts';
import { callerOf, defineChannel, successSchema } from './channel.ts';

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
    await recordRefusal(context, request, () => removeUser(context, request, { id, caller }));
    return { success: true as const };
  },
});
