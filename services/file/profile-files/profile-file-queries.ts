import { sql, type Kysely, type Transaction } from 'kysely';
import type { ReadyFile, Tables } from '../tables.ts';

/** Says that a file was stored for a profile, which has not named it yet. */
export async function insertProfileFile(trx: Transaction<Tables>, fileId: string): Promise<void> {
  await trx.insertInto('files.profile_files').values({ file_id: fileId }).execute();
}

/** A file that a profile names; `is_listed` says whether others see the profile. */
export type ProfileFile = ReadyFile & { is_listed: boolean };

/** Finds the file that a profile names, where it is its vendor's. */
export async function findProfileFile(
  db: Kysely<Tables>,
  profileId: string,
  kind: 'logo' | 'certificate',
): Promise<ProfileFile | undefined> {
  const { rows } = await sql<ProfileFile>`
    select f.*, p.is_listed from shared.vendor_profile_files p
    join files.files f on f.id = p.${sql.ref(kind)} and f.user_id = p.user_id
    where p.profile_id = ${profileId} and f.status = 'ready'`.execute(db);
  return rows[0];
}
