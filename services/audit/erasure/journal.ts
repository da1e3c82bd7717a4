import type { Kysely } from 'kysely';
import { repeat, type BackgroundLoop } from '@muniment/server';
import { replaySubjects } from './erase-app-subject.ts';
import type { AuditBucket } from '../object-store/audit-bucket.ts';
import type { AuditContext } from '../context.ts';
import { replayErasures } from './erasure-queries.ts';
import type { Tables } from '../tables.ts';

const PREFIX = 'erasures/';
const USER_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** S3 lists a thousand keys a page. */
const AT_ONCE = 1_000;
const RETRY_MS = 5_000;
const READ_AGAIN_MS = 60 * 60_000;

type Bucket = Pick<AuditBucket, 'put' | 'list'>;

/**
 * Writes an erasure where a restored database cannot undo it: an object `erasures/<user id>` that says no more than its name. Before the
 * erasure is ticked off, so that none is done and forgotten.
 */
export async function journalErasure(bucket: Bucket, userId: string): Promise<void> {
  await bucket.put(`${PREFIX}${userId}`, `${userId}\n`, 'text/plain');
}

/**
 * Orders again every erasure that the journal has and the database has forgotten, because it was restored from a backup of before. Keys go in
 * the same statement, the rest as with any erasure. Reads the whole journal.
 * @returns the users' ids
 */
export async function replayJournal(
  db: Kysely<Tables>,
  bucket: Bucket,
  atOnce = AT_ONCE,
): Promise<string[]> {
  const replayed: string[] = [];
  let batch: string[] = [];
  for await (const key of bucket.list(PREFIX)) {
    const userId = key.slice(PREFIX.length);
    if (!USER_ID.test(userId)) continue;
    batch.push(userId);
    if (batch.length < atOnce) continue;
    replayed.push(...(await replayErasures(db, batch)));
    batch = [];
  }
  if (batch.length > 0) replayed.push(...(await replayErasures(db, batch)));
  return replayed;
}

/** Reads the journal at the start, which is what follows a restore, and each hour, should a restore have gone by without one. */
export function watchJournal({
  db,
  subjectKeys,
  bucket,
  log,
}: Pick<AuditContext, 'db' | 'subjectKeys' | 'bucket' | 'log'>): BackgroundLoop {
  let readAt = -Infinity;
  return repeat(
    'erasure-journal',
    RETRY_MS,
    async () => {
      if (performance.now() - readAt < READ_AGAIN_MS) return;
      const replayed = await replayJournal(db, bucket);
      const subjects = await replaySubjects({ db, subjectKeys }, bucket);
      readAt = performance.now();
      if (subjects > 0)
        log.warn(
          { subjects },
          "the database had forgotten erasures of tenants' subjects that the journal has; they are erased again",
        );
      if (replayed.length > 0)
        log.warn(
          { users: replayed.length },
          'the database had forgotten erasures that the journal has; they are ordered again',
        );
    },
    (error) =>
      log.warn({ err: error }, 'the journal of erasures could not be read; it is tried again'),
  );
}
