import type { Kysely } from 'kysely';
import { createEventRecorder, type SubjectKeys } from '@muniment/audit-events';
import type { ErasurePart } from '@muniment/server';
import type { AuditBucket } from '../object-store/audit-bucket.ts';
import { deleteSearchTerms } from '../search/search-term-queries.ts';
import type { Tables } from '../tables.ts';
import { userErased } from './erasure-events.ts';
import { emptyQuarantined } from './erasure-queries.ts';
import { journalErasure } from './journal.ts';
import { deleteSubjectKey } from './subject-key-queries.ts';

export interface EraseUsersOptions {
  db: Kysely<Tables>;
  subjectKeys: SubjectKeys;
  bucket: Pick<AuditBucket, 'put'>;
}

/**
 * The audit service's part in an erasure. Without the key no copy can be read, even in backups.
 * Sealed rows stay, so proofs hold.
 */
export function eraseUsers({ db, subjectKeys, bucket }: EraseUsersOptions): ErasurePart<Tables> {
  const recordEvent = createEventRecorder({ source: 'audit', schema: 'audit', subjectKeys });
  return {
    column: 'audit_done',
    async erase(userId) {
      await deleteSubjectKey(db, userId);
      subjectKeys.drop(userId);
      // A restored backup would bring the person back, so it is not done without the journal.
      await journalErasure(bucket, userId);
    },
    async ticked(trx, userId) {
      const searchTerms = await deleteSearchTerms(trx, userId);
      const quarantined = await emptyQuarantined(trx, userId);
      await recordEvent(trx, userErased(userId, { searchTerms, quarantined }));
    },
  };
}
