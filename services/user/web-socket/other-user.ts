import { PermissionDenied, Unauthenticated, type Principal } from '@muniment/security';
import type { Transaction } from 'kysely';
import { UserNotFound } from '../errors.ts';
import { isCallerLive } from '../users/caller-queries.ts';
import { lockUser } from '../users/user-queries.ts';
import type { Tables, User } from '../tables.ts';

/**
 * Locks the user whom a token changes. It may be its owner; of others no administrator and no service account: a found token must not become more
 * than it is, by way of another's mailbox.
 * @throws unauthenticated when the token has ended, UserNotFound, `permission_denied`
 */
export async function lockUserFor(
  trx: Transaction<Tables>,
  caller: Principal,
  id: string,
): Promise<User> {
  const user = await lockUser(trx, id);
  if (!(await isCallerLive(trx, caller))) throw new Unauthenticated();
  if (!user) throw new UserNotFound();
  if (user.id !== caller.id && (user.type === 'admin' || user.service))
    throw new PermissionDenied();
  return user;
}
