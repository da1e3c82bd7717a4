import { Type } from 'typebox';
import { dateTime, nullable, strictObject, uuid } from '@muniment/server';
import { UserNotFound } from '../errors.ts';
import { defineChannel } from './channel.ts';

const shownSchema = Type.Object({
  id: uuid,
  name: nullable(Type.String()),
  email: Type.String(),
  created_at: dateTime,
});

/** Shows the token's owner; to an administrator's token any user. */
export const userRead = defineChannel({
  name: 'user/read',
  operation: 'web-socket.read_user',
  summary: "Get a user: the token's owner (profile:read), or another (directory:read).",
  answer: shownSchema,
  access: { own: 'profile:read', any: 'directory:read' },
  payload: strictObject({ id: uuid }),
  async run(context, _request, { id }) {
    const user = await context.findUser(id);
    if (!user) throw new UserNotFound();
    const { name, email, created } = user;
    return { id: user.id, name, email, created_at: created.toISOString() };
  },
});
