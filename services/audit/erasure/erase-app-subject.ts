import type { Transaction } from 'kysely';
import { createEventRecorder } from '@muniment/audit-events';
import type { AuditBucket } from '../object-store/audit-bucket.ts';
import type { AuditContext } from '../context.ts';
import { deleteFingerprints } from '../app-events/app-event-queries.ts';
import { eraseSubject, findUnerased } from './subject-key-queries.ts';
import { deleteSearchTerms } from '../search/search-term-queries.ts';
import type { Tables } from '../tables.ts';

/** Where the journal of erasures has tenants' subjects. */
const PREFIX = 'erasures/app:';
/** Names of tenants' subjects, as `subjectName` makes them. */
const SUBJECT_NAME = /^app:[A-Za-z0-9_-]{43}$/;

/** The key first, and with it every value wherever it lies; by itself, so that nobody who waits for it is waited for. */
export async function destroySubjectKey(
  { db, subjectKeys }: Pick<AuditContext, 'db' | 'subjectKeys'>,
  subject: string,
): Promise<void> {
  await eraseSubject(db, subject);
  subjectKeys.drop(subject);
}

/** What else is left of an erased subject. @returns how many search terms there were */
export async function forgetSubject(
  trx: Transaction<Tables>,
  subject: string,
): Promise<{ search_terms: number }> {
  const searchTerms = await deleteSearchTerms(trx, subject);
  await deleteFingerprints(trx, subject);
  return { search_terms: searchTerms };
}

type Parts = Pick<AuditContext, 'db' | 'subjectKeys'>;

async function eraseAgain({ db, subjectKeys }: Parts, subject: string): Promise<void> {
  const recordEvent = createEventRecorder({ source: 'audit', schema: 'audit', subjectKeys });
  await destroySubjectKey({ db, subjectKeys }, subject);
  await db.transaction().execute(async (trx) => {
    const metadata = { ...(await forgetSubject(trx, subject)), reason: 'erasure_replayed' };
    await recordEvent(trx, {
      action: 'SUBJECT_ERASED',
      subject: { userId: subject },
      personal: {},
      resource: subject,
      resource_type: 'subject',
      request_id: 'erasure-journal',
      metadata,
    });
  });
}

/**
 * Erases again the tenants' subjects whom the journal names and the database, restored from a backup of before, knows nothing of.
 * @returns how many
 */
export async function replaySubjects(
  parts: Parts,
  bucket: Pick<AuditBucket, 'list'>,
  atOnce = 1_000,
): Promise<number> {
  let replayed = 0;
  let batch: string[] = [];
  const work = async (): Promise<void> => {
    for (const subject of await findUnerased(parts.db, batch)) {
      await eraseAgain(parts, subject);
      replayed += 1;
    }
    batch = [];
  };
  for await (const key of bucket.list(PREFIX)) {
    const subject = key.slice(PREFIX.length - 'app:'.length);
    if (SUBJECT_NAME.test(subject)) batch.push(subject);
    if (batch.length >= atOnce) await work();
  }
  await work();
  return replayed;
}
