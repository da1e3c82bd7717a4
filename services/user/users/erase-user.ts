import type { Kysely } from 'kysely';
import { createEventRecorder, type SubjectKeys } from '@muniment/audit-events';
import type { ErasurePart } from '@muniment/server';
import type { Tables } from '../tables.ts';
import { erasureReplayed } from './user-events.ts';
import { deleteErasedUser } from './user-queries.ts';

/** The user service's part of an erasure. It finds an account only after a restored backup. */
export function createUserErasure(
  db: Kysely<Tables>,
  subjectKeys: SubjectKeys,
): ErasurePart<Tables> {
  const recordEvent = createEventRecorder({ source: 'user', schema: 'identity', subjectKeys });
  return {
    column: 'identity_done',
    async erase(userId) {
      await db.transaction().execute(async (trx) => {
        if (await deleteErasedUser(trx, userId)) await recordEvent(trx, erasureReplayed(userId));
      });
    },
  };
}
