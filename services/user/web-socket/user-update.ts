import { Type } from 'typebox';
import { SessionRequired } from '@muniment/security';
import { uuid } from '@muniment/server';
import { changeUser, type UserUpdate } from '../directory/changes/change-user.ts';
import { recordRefusal } from '../directory/changes/guard-change.ts';
import { parseEmail } from '../users/email-address.ts';
import { emailSchema, personNameSchema } from '../users/user-resource.ts';
import { callerOf, defineChannel, successSchema } from './channel.ts';

const payloadSchema = Type.Object(
  { id: uuid, name: Type.Optional(personNameSchema), email: Type.Optional(emailSchema) },
  { additionalProperties: false, minProperties: 2 },
);

/**
 * Changes the owner's name; an administrator's token changes name and address of others. A stolen
 * token must not change its owner's address, which needs a link.
 */
export const userUpdate = defineChannel({
  name: 'user/update',
  operation: 'web-socket.update_user',
  summary:
    "Change the name of the token's owner (profile:write), " +
    'or name and address of another (directory:write).',
  answer: successSchema,
  access: { own: 'profile:write', any: 'directory:write' },
  payload: payloadSchema,
  async run(context, request, { id, name, email }) {
    const caller = callerOf(request);
    const isOwn = id === caller.id;
    const address = email === undefined ? undefined : parseEmail(email);
    const newAddress = isOwn ? undefined : address;
    const update: UserUpdate = {
      id,
      caller,
      fields: {
        names: [...(newAddress ? ['email'] : []), ...(name === undefined ? [] : ['name'])],
        ...(newAddress && { address: newAddress }),
        others: { ...(name !== undefined && { name }) },
      },
      async check(_trx, user) {
        const moves = address !== undefined && address.emailKey !== user.email_key;
        if (isOwn && moves) throw new SessionRequired();
      },
    };
    await recordRefusal(context, request, () => changeUser(context, request, update));
    return { success: true as const };
  },
});
