import type { Kysely, Transaction } from 'kysely';
import { createEventRecorder, type SubjectKeys } from '@muniment/audit-events';
import { deleteFingerprints } from '../app-events/app-event-queries.ts';
import type { AuditBucket } from '../object-store/audit-bucket.ts';
import { deleteSearchTerms } from '../search/search-term-queries.ts';
import type { Tables } from '../tables.ts';
import { subjectErasedAgain } from './erasure-events.ts';
import { deleteSubjectKey, findUnerased } from './subject-key-queries.ts';

/** Where the erasure journal has tenants' subjects. */
const PREFIX = 'erasures/app:';
/** Names of tenants' subjects, as `subjectName` makes them. */
const SUBJECT_NAME = /^app:[A-Za-z0-9_-]{43}$/;
/** S3 lists a thousand keys per page. */
const BATCH_SIZE = 1_000;

interface Keys {
  data: { db: Kysely<Tables> };
  crypto: { subjectKeys: SubjectKeys };
}

/** Destroys a subject's key. It commits by itself, so that others wait for it only briefly. */
export async function destroySubjectKey(
  { data: { db }, crypto: { subjectKeys } }: Keys,
  subject: string,
): Promise<void> {
  await deleteSubjectKey(db, subject);
  subjectKeys.drop(subject);
}

/** Deletes the search terms and fingerprints of an erased subject. @returns how many terms */
export async function deleteSubjectTraces(
  trx: Transaction<Tables>,
  subject: string,
): Promise<number> {
  const searchTerms = await deleteSearchTerms(trx, subject);
  await deleteFingerprints(trx, subject);
  return searchTerms;
}

/**
 * Erases tenants' subjects again which the journal names and a restored database does not.
 * @returns how many
 */
export async function replaySubjects(
  context: Keys & { bucket: Pick<AuditBucket, 'list'> },
  batchSize = BATCH_SIZE,
): Promise<number> {
  let replayed = 0;
  let batch: string[] = [];
  for await (const key of context.bucket.list(PREFIX)) {
    const subject = key.slice(PREFIX.length - 'app:'.length);
    if (SUBJECT_NAME.test(subject)) batch.push(subject);
    if (batch.length < batchSize) continue;
    replayed += await eraseMissing(context, batch);
    batch = [];
  }
  return replayed + (await eraseMissing(context, batch));
}

async function eraseMissing(keys: Keys, subjects: readonly string[]): Promise<number> {
  const missing = await findUnerased(keys.data.db, subjects);
  for (const subject of missing) await eraseAgain(keys, subject);
  return missing.length;
}

async function eraseAgain(keys: Keys, subject: string): Promise<void> {
  const { subjectKeys } = keys.crypto;
  const recordEvent = createEventRecorder({ source: 'audit', schema: 'audit', subjectKeys });
  await destroySubjectKey(keys, subject);
  await keys.data.db.transaction().execute(async (trx) => {
    await recordEvent(trx, subjectErasedAgain(subject, await deleteSubjectTraces(trx, subject)));
  });
}
