import type { Kysely } from 'kysely';
import { repeat, type BackgroundLoop } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import type { AuditBucket } from '../object-store/audit-bucket.ts';
import type { Tables } from '../tables.ts';
import { replaySubjects } from './erase-app-subject.ts';
import { replayErasures } from './erasure-queries.ts';

const PREFIX = 'erasures/';
const USER_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** S3 lists a thousand keys per page. */
const BATCH_SIZE = 1_000;
const RETRY_MS = 5_000;
const READ_INTERVAL_MS = 60 * 60_000;

/** Writes an erasure where a restored database cannot undo it: the object's key is the subject. */
export async function journalErasure(
  bucket: Pick<AuditBucket, 'put'>,
  subject: string,
): Promise<void> {
  await bucket.put(`${PREFIX}${subject}`, `${subject}\n`, 'text/plain');
}

/** Orders erasures again that a restored database lacks. @returns the users' ids */
export async function replayJournal(
  db: Kysely<Tables>,
  bucket: Pick<AuditBucket, 'list'>,
  batchSize = BATCH_SIZE,
): Promise<string[]> {
  const replayed: string[] = [];
  let batch: string[] = [];
  for await (const key of bucket.list(PREFIX)) {
    const userId = key.slice(PREFIX.length);
    if (!USER_ID.test(userId)) continue;
    batch.push(userId);
    if (batch.length < batchSize) continue;
    replayed.push(...(await replayErasures(db, batch)));
    batch = [];
  }
  if (batch.length > 0) replayed.push(...(await replayErasures(db, batch)));
  return replayed;
}

type JournalContext = Pick<AuditContext, 'data' | 'crypto' | 'bucket' | 'http'>;

/** Reads the journal at the start, since a restore precedes one, and then each hour. */
export function watchJournal(context: JournalContext): BackgroundLoop {
  const { log } = context.http;
  let readAt = -Infinity;
  return repeat(
    'erasure-journal',
    RETRY_MS,
    async () => {
      if (performance.now() - readAt < READ_INTERVAL_MS) return;
      const users = await replayJournal(context.data.db, context.bucket);
      const subjects = await replaySubjects(context);
      readAt = performance.now();
      if (subjects > 0)
        log.warn(
          { subjects },
          "the database lacked erasures of tenants' subjects; they are redone",
        );
      if (users.length > 0)
        log.warn(
          { users: users.length },
          'the database lacked erasures of the journal; they are ordered again',
        );
    },
    (error) => log.warn({ err: error }, 'the erasure journal could not be read; it is tried again'),
  );
}
