import type { Transaction } from 'kysely';
import { Type } from 'typebox';
import { violatedUniqueConstraint } from '@muniment/database';
import { SessionRequired } from '@muniment/security';
import { parseEmail } from '../users/email-address.ts';
import { EmailTaken } from '../errors.ts';
import { queueMail } from '../mail/queue-mail.ts';
import { deleteEmailChange } from '../verification/email-change-queries.ts';
import { deleteResetToken } from '../verification/recovery-queries.ts';
import { updateUser } from '../users/user-queries.ts';
import type { Tables, User } from '../tables.ts';
import type { UserContext } from '../context.ts';
import { emailSchema, personNameSchema } from '../users/user-resource.ts';
import { callerOf, requirePermission, defineChannel } from './channel.ts';
import { lockUserFor } from './other-user.ts';

const payloadSchema = Type.Object(
  {
    id: Type.String({ format: 'uuid' }),
    name: Type.Optional(personNameSchema),
    email: Type.Optional(emailSchema),
  },
  { additionalProperties: false, minProperties: 2 },
);

/**
 * The name of the token's own user; for an administrator name and address of any. One's own address changes by a link that goes there
 * (`POST /api/users/me/email`): else whoever finds a token would have the account, by a forgotten password.
 */
export const userUpdate = defineChannel({
  name: 'user/update',
  token: true,
  payload: payloadSchema,
  async run(server, request, { id, name, email: typed }) {
    const isOwn = id === callerOf(request).id;
    const caller = await requirePermission(
      server,
      request,
      isOwn ? 'profile:write' : 'directory:write',
    );
    const address = typed === undefined ? undefined : parseEmail(typed);
    await server
      .inTransaction(request, async (trx, record) => {
        const user = await lockUserFor(trx, caller, id);
        const moves = address !== undefined && address.emailKey !== user.email_key;
        if (isOwn && moves) throw new SessionRequired();
        const change = {
          ...(name !== undefined && { name }),
          ...(!isOwn &&
            address && {
              email: address.email,
              email_key: address.emailKey,
              ...(moves && { is_verified: false }),
            }),
        };
        await updateUser(trx, id, change);
        if (moves) await leaveAddress(server, trx, user, address.email);
        await record({
          action: 'USER_UPDATED',
          resource: id,
          resource_type: 'user',
          metadata: {
            fields: [
              ...(address && !isOwn ? ['email'] : []),
              ...(name === undefined ? [] : ['name']),
            ],
          },
        });
      })
      .catch(async (error: unknown) => {
        if (violatedUniqueConstraint(error) !== 'users_email_key') throw error;
        await server.recordFor(request, {
          action: 'USER_UPDATED',
          outcome: 'failure',
          error: 'email_taken',
          resource: id,
          resource_type: 'user',
        });
        throw new EmailTaken();
      });
    return { success: true };
  },
});

/** Links that went to the old address count no more, and whoever reads it there is told where the account went. */
async function leaveAddress(
  { languages, masterKey }: UserContext,
  trx: Transaction<Tables>,
  { id, email }: User,
  newEmail: string,
): Promise<void> {
  await deleteResetToken(trx, id);
  await deleteEmailChange(trx, id);
  await queueMail(trx, masterKey, {
    userId: id,
    template: 'email_changed',
    locale: languages.choose(undefined),
    to: email,
    values: { email, new_email: newEmail },
  });
}
