import { strictObject, uuid } from '@muniment/server';
import { UserNotFound } from '../errors.ts';
import { callerOf, defineChannel, requirePermission } from './channel.ts';

/** Shows the token's owner; to an administrator's token any user. */
export const userRead = defineChannel({
  name: 'user/read',
  operation: 'web-socket.read_user',
  token: true,
  payload: strictObject({ id: uuid }),
  async run(context, request, { id }) {
    // Decided by the id alone, so a refusal does not tell whether the user exists.
    const permission = id === callerOf(request).id ? 'profile:read' : 'directory:read';
    await requirePermission(context, request, permission);
    const user = await context.findUser(id);
    if (!user) throw new UserNotFound();
    const { name, email, created } = user;
    return { id: user.id, name, email, created_at: created.toISOString() };
  },
});
