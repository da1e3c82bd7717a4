import type { Transaction } from 'kysely';
import type { RequestEvent } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { queueMail } from '../mail/queue-mail.ts';
import type { Tables, User } from '../tables.ts';
import { consumeStatusChange } from '../users/status-change-queries.ts';
import { updatePassword, updateUserToAdmin } from '../users/user-queries.ts';
import { deleteEmailChange } from '../verification/email-change-queries.ts';
import { createLinkToken } from '../verification/link-tokens.ts';
import { deleteResetTokens, insertResetToken } from '../verification/recovery-queries.ts';
import { revokeAccess, type RevokedAccess } from './revoke-access.ts';
import { passwordLinkSent } from './sign-in-events.ts';

export type GrantContext = Pick<UserContext, 'config' | 'crypto' | 'mail'>;

interface Grant {
  /** The locked account. */
  user: User;
  /** The mail's language. */
  locale: string;
}

/**
 * Gives an account administrator's rights. It is the only way, since anybody may have registered an
 * address that nobody proved: then all that could sign in is void, and the mailbox gets a link.
 * @returns what ended, for the event and `dropAccess`; undefined for a proved address
 */
export async function grantAdmin(
  context: GrantContext,
  { trx, record }: { trx: Transaction<Tables>; record(event: RequestEvent): Promise<string> },
  { user, locale }: Grant,
): Promise<RevokedAccess | undefined> {
  const { id } = user;
  await updateUserToAdmin(trx, id);
  // The caller's event tells of the status too.
  await consumeStatusChange(trx, id);
  if (user.type === 'admin' || user.email_verified_at !== null || user.service) return undefined;
  await updatePassword(trx, id, { passwordHash: null });
  await deleteResetTokens(trx, id);
  // It would move the account to an address of its first owner's choice.
  await deleteEmailChange(trx, id);
  const revoked = await revokeAccess(trx, id, 'administrator_made');
  await mailPasswordLink(context, trx, { user, locale });
  await record(passwordLinkSent(id, user.email));
  return revoked;
}

async function mailPasswordLink(
  { config, crypto }: GrantContext,
  trx: Transaction<Tables>,
  { user: { id, email }, locale }: Grant,
): Promise<void> {
  const { token, hash } = createLinkToken('reset_password');
  await insertResetToken(trx, id, { tokenHash: hash, ttlSeconds: config.RESET_TOKEN_TTL_S });
  await queueMail(trx, crypto.masterKey, {
    userId: id,
    template: 'set_password',
    locale,
    to: email,
    values: { email },
    token,
    resetToken: hash,
  });
}
