import type { Kysely } from 'kysely';
import { createEventRecorder, type SubjectKeys } from '@muniment/audit-events';
import type { ErasurePart } from '@muniment/server';
import { markFilesOfUserDeleted } from '../files/file-queries.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import type { Tables } from '../tables.ts';
import { awaitOlderTransactions } from './older-transactions.ts';
import { withdrawPendingFilesOfUser } from './pending-file-queries.ts';
import { purgeDeletedFiles, removeOrphans } from './purge-objects.ts';

const BATCH_SIZE = 100;

export interface EraseFilesOptions {
  db: Kysely<Tables>;
  store: ObjectStore;
  subjectKeys: SubjectKeys;
  /** Milliseconds in which S3 may still carry out a failed upload's request. */
  lateMs: number;
}

/**
 * The file service's part of an erasure: a FILE_DELETE per file, and no byte left in S3.
 * Idempotent, so replicas may do it at once.
 */
export function eraseFiles({ db, store, subjectKeys, lateMs }: EraseFilesOptions): ErasurePart {
  const recordEvent = createEventRecorder({ source: 'file', schema: 'files', subjectKeys });

  async function deleteBatch(userId: string): Promise<number> {
    return db.transaction().execute(async (trx) => {
      const files = await markFilesOfUserDeleted(trx, userId, BATCH_SIZE);
      for (const file of files) await recordEvent<Tables>(trx, fileErased(userId, file));
      return files.length;
    });
  }

  return {
    column: 'files_done',
    async erase(userId) {
      // Later ones see the erasure. One that is about to commit a file does not.
      await awaitOlderTransactions(db);
      // Pending uploads first, so that none becomes ready behind the loop.
      await withdrawPendingFilesOfUser(db, userId);
      while ((await deleteBatch(userId)) === BATCH_SIZE);
      await purgeDeletedFiles({ db, store, userId });
      // Orphans stay until they are final. The cleanup removes them once more.
      await removeOrphans({ db, store, userId }, lateMs);
    },
  };
}

/** The user asked for the erasure; no request names the file. */
const fileErased = (userId: string, { id, size }: { id: string; size: number }) => ({
  action: 'FILE_DELETE',
  user_id: userId,
  subject: { userId },
  personal: {},
  resource: id,
  resource_type: 'file',
  request_id: `erasure-${userId}`,
  metadata: { size, reason: 'user_deleted' },
});
