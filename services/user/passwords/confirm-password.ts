import type { FastifyRequest } from 'fastify';
import type { Transaction } from 'kysely';
import { principalOf, Unauthenticated, type SessionPrincipal } from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { AccountChanged, PasswordIncorrect } from '../errors.ts';
import { isSessionLive } from '../sessions/session-queries.ts';
import type { Tables } from '../tables.ts';
import { storedHashOf, verifyStoredPassword } from '../users/stored-password.ts';
import { lockUnchangedUser, type AccountRow } from '../users/user-queries.ts';
import { confirmationFailed } from './password-events.ts';

/**
 * Locks the caller's account and repeats the earlier checks.
 * @throws Unauthenticated when the session has ended
 * @throws AccountChanged when the password has changed
 */
export async function lockConfirmedCaller(
  trx: Transaction<Tables>,
  { id, sessionId }: SessionPrincipal,
  passwordHash: string,
): Promise<void> {
  const unchanged = await lockUnchangedUser(trx, id, { passwordHash, mode: 'update' });
  if (!(await isSessionLive(trx, sessionId))) throw new Unauthenticated();
  if (!unchanged) throw new AccountChanged();
}

type ConfirmContext = Pick<UserContext, 'audit' | 'findUser' | 'limits' | 'passwords'>;

/**
 * Confirms the caller's password before a critical `action` (OWASP ASVS 7.5.1).
 * @returns the user, with the checked hash for `lockConfirmedCaller`
 * @throws RateLimited, PasswordIncorrect (403: a 401 would end the session)
 */
export async function confirmPassword(
  { audit, findUser, limits, passwords }: ConfirmContext,
  request: FastifyRequest & RequestContext,
  { password, action }: { password: string; action: string },
): Promise<AccountRow & { checkedHash: string }> {
  const { id } = principalOf(request);
  const attempt = await limits.consume([['password_confirmation', id]], () =>
    audit.record(request, confirmationFailed(id, action, 'rate_limited')),
  );
  const user = await findUser(id);
  if (!user) throw new Unauthenticated();
  const checkedHash = storedHashOf(user);
  if (checkedHash !== null) {
    const checked = verifyStoredPassword(passwords, user, password);
    const { ok } = await checked.catch(async (error: unknown) => {
      // An overload or an outage decides nothing.
      await attempt.refund();
      throw error;
    });
    if (ok) {
      await attempt.refund();
      return { ...user, checkedHash };
    }
  }
  await audit.record(request, confirmationFailed(id, action, 'password_incorrect'));
  throw new PasswordIncorrect();
}
