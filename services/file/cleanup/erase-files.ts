import type { Kysely } from 'kysely';
import { createEventRecorder, type SubjectKeys } from '@muniment/audit-events';
import type { ErasurePart } from '@muniment/server';
import { purgeDeletedFiles, removeOrphans } from './purge-objects.ts';
import { markFilesOfUserDeleted } from '../files/file-queries.ts';
import { withdrawPendingFilesOfUser } from './cleanup-queries.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import type { Tables } from '../tables.ts';

const BATCH = 100;

/**
 * This service's part in the deletion of a user: each file gets its FILE_DELETE, and it is done only when S3 holds no byte of theirs.
 * Idempotent; replicas may do it at once.
 */
export function eraseFiles(
  db: Kysely<Tables>,
  store: ObjectStore,
  lateMs: number,
  subjectKeys: SubjectKeys,
): ErasurePart {
  const recordEvent = createEventRecorder({ source: 'file', schema: 'files', subjectKeys });

  async function deleteSome(userId: string): Promise<number> {
    return db.transaction().execute(async (trx) => {
      const files = await markFilesOfUserDeleted(trx, userId, BATCH);
      for (const file of files) {
        // The order came from the user; nobody sent a request for each file.
        await recordEvent<Tables>(trx, {
          action: 'FILE_DELETE',
          user_id: userId,
          subject: { userId },
          personal: {},
          resource: file.id,
          resource_type: 'file',
          request_id: `erasure-${userId}`,
          metadata: { size: file.size, reason: 'user_deleted' },
        });
      }
      return files.length;
    });
  }

  return {
    column: 'files_done',
    async erase(userId) {
      // First what is under way, so that nothing becomes ready behind the loop.
      await withdrawPendingFilesOfUser(db, userId);
      while ((await deleteSome(userId)) === BATCH);
      await purgeDeletedFiles(db, store, userId);
      // Their notes stay until S3 can carry out nothing late; the settler then removes once more.
      await removeOrphans(db, store, lateMs, userId);
    },
  };
}
