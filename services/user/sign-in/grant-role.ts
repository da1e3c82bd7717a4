import type { Transaction } from 'kysely';
import { isPrivileged, roleAllows, type PrivilegedRole } from '@muniment/security';
import type { RequestEvent } from '@muniment/server';
import { revokeApiTokensOfUser } from '../api-tokens/api-token-queries.ts';
import type { UserContext } from '../context.ts';
import { queueMail } from '../mail/queue-mail.ts';
import type { Tables, User } from '../tables.ts';
import { consumeStatusChange } from '../users/status-change-queries.ts';
import { updatePassword, updateUserToPrivileged } from '../users/user-queries.ts';
import { deleteEmailChange } from '../verification/email-change-queries.ts';
import { createLinkToken } from '../verification/link-tokens.ts';
import { deleteResetTokens, insertResetToken } from '../verification/recovery-queries.ts';
import { revokeAccess, type RevokedAccess } from './revoke-access.ts';
import { passwordLinkSent } from './sign-in-events.ts';

export type GrantContext = Pick<UserContext, 'config' | 'crypto' | 'mail'>;

interface Grant {
  /** The locked account. */
  user: User;
  type: PrivilegedRole;
  /** The mail's language. */
  locale: string;
}

/** What a new role has ended, for the event and `dropAccess`. */
export interface GrantedRole {
  revoked: RevokedAccess;
  /** Nobody had proved the address, so a mail leads to a new password. */
  passwordVoided: boolean;
}

/**
 * Gives an account the rights of an administrator or auditor. It is the only way, since anybody may
 * have registered an address that nobody proved: then all that could sign in is void, and the
 * mailbox gets a link.
 * @throws LastAdministrator, by `inTransaction`
 */
export async function grantRole(
  context: GrantContext,
  { trx, record }: { trx: Transaction<Tables>; record(event: RequestEvent): Promise<string> },
  { user, type, locale }: Grant,
): Promise<GrantedRole> {
  const { id } = user;
  await updateUserToPrivileged(trx, id, type);
  // The caller's event tells of the status too.
  await consumeStatusChange(trx, id);
  if (isPrivileged(user.type) || user.email_verified_at !== null || user.service) {
    // A role without API tokens could neither list nor revoke those from before.
    const apiTokens = roleAllows(type, 'tokens:manage') ? [] : await revokeApiTokensOfUser(trx, id);
    return { revoked: { sessions: [], apiTokens }, passwordVoided: false };
  }
  await updatePassword(trx, id, { passwordHash: null });
  await deleteResetTokens(trx, id);
  // It would move the account to an address of its first owner's choice.
  await deleteEmailChange(trx, id);
  const revoked = await revokeAccess(trx, id, ENDED_BY[type]);
  await mailPasswordLink(context, trx, { user, locale });
  await record(passwordLinkSent(id, user.email));
  return { revoked, passwordVoided: true };
}

/** Why sessions ended, as their rows say it. */
const ENDED_BY: Readonly<Record<PrivilegedRole, string>> = {
  admin: 'administrator_made',
  auditor: 'auditor_made',
};

async function mailPasswordLink(
  { config, crypto }: GrantContext,
  trx: Transaction<Tables>,
  { user: { id, email }, locale }: Pick<Grant, 'user' | 'locale'>,
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
