import type { Kysely, Transaction } from 'kysely';
import { createEventRecorder } from '@muniment/audit-events';
import type { AuditServer } from '../audit-server.ts';
import { forgetFingerprints } from '../queries/app-events.ts';
import { eraseSubject } from '../queries/keys.ts';
import { deleteSearchTerms } from '../queries/search-terms.ts';
import type { Tables } from '../tables.ts';

/** Names of tenants' subjects, as `subjectName` makes them. */
export const SUBJECT_NAME = /^app:[A-Za-z0-9_-]{43}$/;

/** The key first, and with it every value wherever it lies; by itself, so that nobody who waits for it is waited for. */
export async function destroySubjectKey({ db, subjectKeys }: Pick<AuditServer, 'db' | 'subjectKeys'>, subject: string): Promise<void> {
  await eraseSubject(db, subject);
  subjectKeys.drop(subject);
}

/** What else is left of an erased subject. @returns how many search terms there were */
export async function forgetSubject(trx: Transaction<Tables>, subject: string): Promise<{ search_terms: number }> {
  const searchTerms = await deleteSearchTerms(trx, subject);
  await forgetFingerprints(trx, subject);
  return { search_terms: searchTerms };
}

/** Erases again whoever the journal names and a restored database has brought back. */
export async function eraseAgain({ db, subjectKeys }: { db: Kysely<Tables>; subjectKeys: AuditServer['subjectKeys'] }, subject: string): Promise<void> {
  const recordEvent = createEventRecorder({ source: 'audit', schema: 'audit', subjectKeys });
  await destroySubjectKey({ db, subjectKeys }, subject);
  await db.transaction().execute(async (trx) => {
    const metadata = await forgetSubject(trx, subject);
    await recordEvent(trx, {
      action: 'SUBJECT_ERASED', subject: { userId: subject }, personal: {}, resource: subject, resource_type: 'subject', request_id: 'erasure-journal', metadata: { ...metadata, reason: 'erasure_replayed' },
    });
  });
}
