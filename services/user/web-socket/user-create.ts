import { Type } from 'typebox';
import { strictObject } from '@muniment/server';
import { inviteUser } from '../directory/changes/invite-user.ts';
import { parseEmail } from '../users/email-address.ts';
import { emailSchema, personNameSchema } from '../users/user-resource.ts';
import { callerOf, createdSchema, defineChannel } from './channel.ts';

/** Creates a customer; the mailbox's owner sets a password by forgot-password. */
export const userCreate = defineChannel({
  name: 'user/create',
  operation: 'web-socket.create_user',
  summary: 'Create a customer without a password. Needs the scope directory:write.',
  answer: createdSchema,
  access: { any: 'directory:write' },
  payload: strictObject({ name: Type.Optional(personNameSchema), email: emailSchema }),
  async run(context, request, { name, email }) {
    const caller = callerOf(request);
    const others = name === undefined ? {} : { name };
    const fields = { names: [], address: parseEmail(email), others };
    const { user } = await inviteUser(context, request, { caller, fields, invite: false });
    return { success: true as const, userId: user.id };
  },
});
