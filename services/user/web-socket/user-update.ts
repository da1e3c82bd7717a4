import type { Transaction } from 'kysely';
import { Type, type Static } from 'typebox';
import { violatedUniqueConstraint } from '@muniment/database';
import { SessionRequired, type Principal } from '@muniment/security';
import { uuid } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { EmailTaken } from '../errors.ts';
import { queueMail } from '../mail/queue-mail.ts';
import type { Tables, User } from '../tables.ts';
import { parseEmail, type EmailAddress } from '../users/email-address.ts';
import { updateUser } from '../users/user-queries.ts';
import { emailSchema, personNameSchema } from '../users/user-resource.ts';
import { deleteEmailChange } from '../verification/email-change-queries.ts';
import { deleteResetTokens } from '../verification/recovery-queries.ts';
import { callerOf, defineChannel, successSchema, type SocketRequest } from './channel.ts';
import { lockUserFor } from './lock-user.ts';
import { userUpdated, userUpdateRefused } from './message-events.ts';

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
    "Change the name of the token's owner (profile:write), or name and address of another (directory:write).",
  answer: successSchema,
  access: { own: 'profile:write', any: 'directory:write' },
  payload: payloadSchema,
  async run(context, request, payload) {
    const caller = callerOf(request);
    const address = payload.email === undefined ? undefined : parseEmail(payload.email);
    await changeUser(context, request, { payload, caller, address });
    return { success: true as const };
  },
});

interface UserChange {
  payload: Static<typeof payloadSchema>;
  caller: Principal;
  address: EmailAddress | undefined;
}

async function changeUser(
  context: Pick<UserContext, 'data' | 'audit' | 'crypto' | 'mail'>,
  request: SocketRequest,
  { payload: { id, name }, caller, address }: UserChange,
): Promise<void> {
  const isOwn = id === caller.id;
  const newAddress = isOwn ? undefined : address;
  const fields = [...(newAddress ? ['email'] : []), ...(name === undefined ? [] : ['name'])];
  try {
    await context.data.inTransaction(request, async (trx, record) => {
      const user = await lockUserFor(trx, caller, id);
      const moves = address !== undefined && address.emailKey !== user.email_key;
      if (isOwn && moves) throw new SessionRequired();
      await updateUser(trx, id, {
        ...(name !== undefined && { name }),
        ...(newAddress && { email: newAddress.email, email_key: newAddress.emailKey }),
        ...(newAddress && moves && { is_verified: false }),
      });
      if (moves) await leaveAddress(context, trx, { user, newEmail: address.email });
      await record(userUpdated(id, fields));
    });
  } catch (error) {
    if (violatedUniqueConstraint(error) !== 'users_email_key') throw error;
    await context.audit.record(request, userUpdateRefused(id));
    throw new EmailTaken();
  }
}

/** Voids links to the old address and notifies its reader. */
async function leaveAddress(
  { crypto, mail }: Pick<UserContext, 'crypto' | 'mail'>,
  trx: Transaction<Tables>,
  { user: { id, email }, newEmail }: { user: User; newEmail: string },
): Promise<void> {
  await deleteResetTokens(trx, id);
  await deleteEmailChange(trx, id);
  await queueMail(trx, crypto.masterKey, {
    userId: id,
    template: 'email_changed',
    locale: mail.languages.choose(undefined),
    to: email,
    values: { email, new_email: newEmail },
  });
}
