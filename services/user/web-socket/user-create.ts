import { Type } from 'typebox';
import { uuidv7 } from '@muniment/database';
import { Unauthenticated } from '@muniment/security';
import { strictObject } from '@muniment/server';
import { EmailTaken } from '../errors.ts';
import { isCallerLive } from '../users/caller-queries.ts';
import { parseEmail } from '../users/email-address.ts';
import { insertUser } from '../users/user-queries.ts';
import { emailSchema, personNameSchema } from '../users/user-resource.ts';
import { callerOf, createdSchema, defineChannel } from './channel.ts';
import { userCreated, userCreationRefused } from './message-events.ts';

/** Creates a customer; the mailbox's owner sets a password by forgot-password. */
export const userCreate = defineChannel({
  name: 'user/create',
  operation: 'web-socket.create_user',
  summary: 'Create a customer without a password. Needs the scope directory:write.',
  answer: createdSchema,
  access: { any: 'directory:write' },
  payload: strictObject({ name: Type.Optional(personNameSchema), email: emailSchema }),
  async run(context, request, payload) {
    const caller = callerOf(request);
    const { email, emailKey } = parseEmail(payload.email);
    const user = await context.data.inTransaction(request, async (trx, record) => {
      if (!(await isCallerLive(trx, caller))) throw new Unauthenticated();
      const created = await insertUser(trx, {
        id: uuidv7(Date.now()),
        type: 'customer',
        name: payload.name ?? null,
        first_name: null,
        last_name: null,
        email,
        email_key: emailKey,
        password_hash: null,
      });
      await record(created ? userCreated(created) : userCreationRefused(email));
      return created;
    });
    if (!user) throw new EmailTaken();
    return { success: true as const, userId: user.id };
  },
});
