import type { RequestContext } from '@muniment/server';
import { principalOf, Unauthenticated, type SessionPrincipal } from '@muniment/security';
import type { FastifyRequest } from 'fastify';
import type { Transaction } from 'kysely';
import type { UserContext } from '../context.ts';
import { AccountChanged, PasswordIncorrect } from '../errors.ts';
import { isSessionLive } from '../sessions/session-queries.ts';
import { findUserById, lockUnchangedUser } from '../users/user-queries.ts';
import type { Tables, User } from '../tables.ts';

/**
 * Locks the caller's account for the rest of the transaction. What was true when the request was let in, and when the password was checked, is looked at
 * again under the lock: of a session that has ended nothing is changed, not even in the milliseconds before this replica hears of it.
 * @throws unauthenticated when the session has ended, AccountChanged when the account is not as it was when `passwordHash` was checked
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

/**
 * Has the signed-in caller prove the password again before something that cannot be undone (OWASP ASVS 7.5.1). A wrong one is recorded as
 * a failed `action`.
 * @returns the user, whose hash is the one that was checked: `lockConfirmedCaller` takes it
 * @throws RateLimited, PasswordIncorrect (403: the session stays good, unlike with a 401)
 */
export async function confirmPassword(
  { db, limits, passwords, recordFor }: UserContext,
  request: FastifyRequest & RequestContext,
  password: string,
  action: string,
): Promise<User & { password_hash: string }> {
  const { id } = principalOf(request);
  const taken = await limits.consume([['password_confirmation', id]], () =>
    recordFor(request, {
      action,
      outcome: 'failure',
      error: 'rate_limited',
      resource: id,
      resource_type: 'user',
    }),
  );
  const user = await findUserById(db, id);
  if (!user) throw new Unauthenticated();
  // Overload or an outage has decided nothing.
  const verified =
    user.password_hash !== null &&
    (await passwords.verify(user.password_hash, password).catch(async (error: unknown) => {
      await taken.refund();
      throw error;
    }));
  if (user.password_hash !== null && verified && verified.ok) {
    await taken.refund();
    return { ...user, password_hash: user.password_hash };
  }
  await recordFor(request, {
    action,
    outcome: 'failure',
    error: 'password_incorrect',
    resource: id,
    resource_type: 'user',
  });
  throw new PasswordIncorrect();
}
