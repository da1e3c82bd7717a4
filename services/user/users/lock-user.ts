import {
  isPrivileged,
  PermissionDenied,
  Unauthenticated,
  type Principal,
} from '@muniment/security';
import type { Transaction } from 'kysely';
import { UserNotFound } from '../errors.ts';
import type { Tables, User } from '../tables.ts';
import { isCallerLive } from './caller-queries.ts';
import { lockUser } from './user-queries.ts';

/**
 * Locks the user that a caller changes. A stolen API token must not take over a more powerful
 * account, so it reaches only its owner and users without privileges.
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
  if (user.id === caller.id) return user;
  if (caller.apiToken && (isPrivileged(user.type) || user.service)) throw new PermissionDenied();
  if (user.service) throw new UserNotFound();
  return user;
}
