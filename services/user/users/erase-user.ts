import type { Kysely } from 'kysely';
import { createEventRecorder, type SubjectKeys } from '@muniment/audit-events';
import type { ErasurePart } from '@muniment/server';
import { deleteErasedUser } from './user-queries.ts';
import type { Tables } from '../tables.ts';

/**
 * This service's part in the deletion of a user. The account goes with the request that orders it, so there is one left only where a backup was restored
 * and the journal of erasures has ordered it again: then it goes here, sessions and tokens with it, and that is an event.
 */
export function eraseAccounts(db: Kysely<Tables>, subjectKeys: SubjectKeys): ErasurePart<Tables> {
  const recordEvent = createEventRecorder({ source: 'user', schema: 'identity', subjectKeys });
  return {
    column: 'identity_done',
    async erase(userId) {
      await db.transaction().execute(async (trx) => {
        if (!(await deleteErasedUser(trx, userId))) return;
        await recordEvent(trx, {
          action: 'USER_DELETED',
          subject: { userId },
          personal: {},
          resource: userId,
          resource_type: 'user',
          request_id: `erasure-${userId}`,
          metadata: { reason: 'erasure_replayed' },
        });
      });
    },
  };
}
