import type { Kysely } from 'kysely';
import { createEventRecorder, type SubjectKeys } from '@muniment/audit-events';
import type { ErasurePart } from '@muniment/server';
import type { AuditBucket } from '../object-store/audit-bucket.ts';
import { journalErasure } from './journal.ts';
import { deleteQuarantined } from './erasure-queries.ts';
import { eraseSubject } from './subject-key-queries.ts';
import { deleteSearchTerms } from '../search/search-term-queries.ts';
import type { Tables } from '../tables.ts';

/**
 * This service's part in the deletion of a user. The keys go first, and with them every value of theirs wherever it lies: log, outboxes, stream,
 * quarantine, backups. The sealed rows stay as they are and prove what they proved. Then the erasure is journalled, the search terms go, and the
 * event says so; without the journal it is not done, since a restored backup would bring the person back.
 */
export function eraseSubjects(
  db: Kysely<Tables>,
  subjectKeys: SubjectKeys,
  bucket: Pick<AuditBucket, 'put' | 'list'>,
): ErasurePart<Tables> {
  const recordEvent = createEventRecorder({ source: 'audit', schema: 'audit', subjectKeys });
  return {
    column: 'audit_done',
    async erase(userId) {
      await eraseSubject(db, userId);
      subjectKeys.drop(userId);
      await journalErasure(bucket, userId);
    },
    async ticked(trx, userId) {
      const search_terms = await deleteSearchTerms(trx, userId);
      const quarantined = await deleteQuarantined(trx, userId);
      // Nobody's request: USER_DELETED says who ordered it.
      await recordEvent(trx, {
        action: 'SUBJECT_ERASED',
        subject: { userId },
        personal: {},
        resource: userId,
        resource_type: 'user',
        request_id: `erasure-${userId}`,
        metadata: { search_terms, quarantined },
      });
    },
  };
}
