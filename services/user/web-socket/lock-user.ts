import {
  isPrivileged,
  PermissionDenied,
  Unauthenticated,
  type Principal,
} from '@muniment/security';
import type { Transaction } from 'kysely';
import { UserNotFound } from '../errors.ts';
import type { Tables, User } from '../tables.ts';
import { isCallerLive } from '../users/caller-queries.ts';
import { lockUser } from '../users/user-queries.ts';

/**
 * Locks the user that a token changes: its owner, or another without privileges. A stolen token
 * must not take over a more powerful account.
 * @throws Unauthenticated, UserNotFound, PermissionDenied
 */
export async function lockUserFor(
  trx: Transaction<Tables>,
  caller: Principal,
  id: string,
): Promise<User> {
  const user = await lockUser(trx, id);
  if (!(await isCallerLive(trx, caller))) throw new Unauthenticated();
  if (!user) throw new UserNotFound();
  if (user.id !== caller.id && (isPrivileged(user.type) || user.service))
    throw new PermissionDenied();
  return user;
}
