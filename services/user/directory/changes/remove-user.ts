import type { Transaction } from 'kysely';
import type { Principal } from '@muniment/security';
import { afterCommit, type RequestContext } from '@muniment/server';
import type { UserContext } from '../../context.ts';
import type { Tables } from '../../tables.ts';
import { lockUserFor } from '../../users/lock-user.ts';
import { deleteUser } from '../../users/user-queries.ts';
import { userDeleted } from './directory-events.ts';

interface Removal {
  id: string;
  caller: Principal;
  /** Throws where the locked user must stay. */
  check?(trx: Transaction<Tables>): Promise<void>;
}

/**
 * Deletes a user and orders the erasure in the other services.
 * @returns the id of the event
 * @throws as `lockUserFor`
 */
export async function removeUser(
  { auth, crypto, data }: Pick<UserContext, 'auth' | 'crypto' | 'data'>,
  request: RequestContext,
  { id, caller, check }: Removal,
): Promise<string> {
  const eventId = await data.inTransaction(request, async (trx, record) => {
    await lockUserFor(trx, caller, id);
    await check?.(trx);
    await deleteUser(trx, id);
    return record(userDeleted(id));
  });
  afterCommit(request, () => {
    auth.sessions.dropUser(id);
    crypto.subjectKeys.drop(id);
  });
  return eventId;
}
