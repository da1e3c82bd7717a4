import { Type } from 'typebox';
import { uuidv7 } from '@muniment/database';
import { Unauthenticated } from '@muniment/security';
import { parseEmail } from '../users/email-address.ts';
import { EmailTaken } from '../errors.ts';
import { isCallerLive } from '../users/caller-queries.ts';
import { insertUser } from '../users/user-queries.ts';
import { emailSchema, personNameSchema } from '../users/user-resource.ts';
import { requirePermission, defineChannel } from './channel.ts';

/** A customer without a password: who reads that mailbox can set one by `POST /api/auth/forgot-password`. */
export const userCreate = defineChannel({
  name: 'user/create',
  token: true,
  payload: Type.Object(
    { name: Type.Optional(personNameSchema), email: emailSchema },
    { additionalProperties: false },
  ),
  async run(server, request, payload) {
    const caller = await requirePermission(server, request, 'directory:write');
    const { email, emailKey } = parseEmail(payload.email);
    const id = await server.inTransaction(request, async (trx, record) => {
      if (!(await isCallerLive(trx, caller))) throw new Unauthenticated();
      const user = await insertUser(trx, {
        id: uuidv7(Date.now()),
        type: 'customer',
        name: payload.name ?? null,
        first_name: null,
        last_name: null,
        email,
        email_key: emailKey,
        password_hash: null,
      });
      if (!user)
        await record({
          action: 'USER_CREATED',
          outcome: 'failure',
          error: 'email_taken',
          personal: { email },
        });
      else
        await record({
          action: 'USER_CREATED',
          subject: { userId: user.id },
          personal: { email },
          resource: user.id,
          resource_type: 'user',
          metadata: { type: user.type },
        });
      return user?.id;
    });
    if (id === undefined) throw new EmailTaken();
    return { success: true, userId: id };
  },
});
