import { createEventRecorder, type SubjectKeys } from '@muniment/audit-events';
import { sql, type Kysely, type Transaction } from 'kysely';
import type { Tables } from '../tables.ts';

interface UnclaimedFile {
  id: string;
  user_id: string;
  size: number;
}

/**
 * Locks files of profiles that no profile has named for `graceMs`. A claim in progress holds its
 * row, which is left out then; one that comes later finds no file any more.
 */
async function lockUnclaimed(
  trx: Transaction<Tables>,
  { graceMs, limit }: { graceMs: number; limit: number },
): Promise<string[]> {
  const { rows } = await sql<{ file_id: string }>`
    select u.file_id from files.profile_files u
    where u.unclaimed_since < now() - ${graceMs} * interval '1 millisecond'
      and not exists (
        select from files.files f join shared.vendor_profile_files p on p.user_id = f.user_id
        where f.id = u.file_id and u.file_id in (p.logo, p.certificate))
    order by u.unclaimed_since limit ${limit} for update of u skip locked`.execute(trx);
  return rows.map(({ file_id: id }) => id);
}

/** Makes files disappear. Those of erased users go with the erasure. */
async function deleteLocked(
  trx: Transaction<Tables>,
  ids: readonly string[],
): Promise<UnclaimedFile[]> {
  await sql`delete from files.profile_files where file_id = any(${ids}::uuid[])`.execute(trx);
  const { rows } = await sql<UnclaimedFile>`
    update files.files f set status = 'deleted', deleted_at = now(), updated = now()
    where f.id = any(${ids}::uuid[]) and f.status = 'ready'
      and not exists (select from shared.erasures e where e.user_id = f.user_id)
    returning f.id, f.user_id, f.size`.execute(trx);
  return rows;
}

/** Deletes the files of forms that failed, and those that profiles have replaced, with events. */
export function createUnclaimedCleanup(
  db: Kysely<Tables>,
  subjectKeys: SubjectKeys,
): (options: { graceMs: number; limit: number }) => Promise<void> {
  const recordEvent = createEventRecorder({ source: 'file', schema: 'files', subjectKeys });
  return async (options) =>
    db.transaction().execute(async (trx) => {
      const ids = await lockUnclaimed(trx, options);
      if (ids.length === 0) return;
      for (const file of await deleteLocked(trx, ids)) await recordEvent(trx, fileUnclaimed(file));
    });
}

/** No request names the file, so nobody is its actor. */
const fileUnclaimed = ({ id, user_id: userId, size }: UnclaimedFile) => ({
  action: 'FILE_DELETE',
  user_id: null,
  subject: { userId },
  personal: {},
  resource: id,
  resource_type: 'file',
  request_id: `cleanup-${id}`,
  metadata: { size, reason: 'unreferenced' },
});
