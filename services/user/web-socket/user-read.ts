import { strictObject, uuid } from '@muniment/server';
import { UserNotFound } from '../errors.ts';
import { defineChannel } from './channel.ts';

/** Shows the token's owner; to an administrator's token any user. */
export const userRead = defineChannel({
  name: 'user/read',
  operation: 'web-socket.read_user',
  access: { own: 'profile:read', any: 'directory:read' },
  payload: strictObject({ id: uuid }),
  async run(context, _request, { id }) {
    const user = await context.findUser(id);
    if (!user) throw new UserNotFound();
    const { name, email, created } = user;
    return { id: user.id, name, email, created_at: created.toISOString() };
  },
});
