import { refusedByTrigger } from '@muniment/database';
import type { InTransaction, RecordRequestEvent } from '@muniment/server';
import { LastAdministrator } from '../errors.ts';
import type { Tables } from '../tables.ts';
import { administratorKept } from './user-events.ts';

/** The triggers of migration 0014, and the action that each refuses. */
const REFUSED_ACTIONS: ReadonlyMap<string, 'USER_UPDATED' | 'USER_DELETED'> = new Map([
  ['administrator_updated', 'USER_UPDATED'],
  ['administrator_deleted', 'USER_DELETED'],
]);

interface Transactions {
  inTransaction: InTransaction<Tables>;
  record: RecordRequestEvent;
}

/**
 * Answers the removal of the last administrator with LastAdministrator, recorded, wherever a
 * transaction attempts it. PostgreSQL decides: only it sees removals at the same moment.
 */
export function keepLastAdministrator({
  inTransaction,
  record,
}: Transactions): InTransaction<Tables> {
  return async (request, change) => {
    try {
      return await inTransaction(request, change);
    } catch (error) {
      const refusal = refusedByTrigger(error);
      const action = refusal && REFUSED_ACTIONS.get(refusal.trigger);
      if (!action) throw error;
      await record(request, administratorKept(refusal.detail, action));
      throw new LastAdministrator({ cause: error });
    }
  };
}
