import { sql, type Kysely } from 'kysely';

const run = async (db: Kysely<unknown>, statements: readonly string[]): Promise<void> => {
  for (const statement of statements) await sql.raw(statement).execute(db);
};

/**
 * Files that were stored for a vendor profile. Its service claims them in the transaction that names
 * them, and releases them where it names them no more. Those unclaimed for long are deleted.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await run(db, [
    `create table files.profile_files (
      file_id uuid primary key,
      unclaimed_since timestamptz default now()
    )`,
    `create index profile_files_unclaimed on files.profile_files (unclaimed_since)
      where unclaimed_since is not null`,
    'grant select, insert, delete on files.profile_files to file_service',
    // A row can only be locked by a role that may update it.
    'grant update (unclaimed_since) on files.profile_files to file_service',
    // The cleanup locks in the same order. After the share lock no one deletes the file meanwhile.
    `create function shared.claim_profile_file(file uuid, owner uuid) returns text
      language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
      declare media_type text;
      begin
        update files.profile_files p set unclaimed_since = null where p.file_id = file;
        select f.mime_type into media_type from files.files f
        where f.id = file and f.user_id = owner and f.status = 'ready' for share;
        return media_type;
      end $$`,
    `create function shared.release_profile_file(file uuid) returns void
      language sql security definer set search_path = pg_catalog, pg_temp as $$
        update files.profile_files p set unclaimed_since = now() where p.file_id = file
      $$`,
    `revoke execute on function shared.claim_profile_file(uuid, uuid),
      shared.release_profile_file(uuid) from public`,
    'grant execute on function shared.claim_profile_file(uuid, uuid) to user_service',
  ]);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await run(db, [
    `drop function shared.claim_profile_file(uuid, uuid), shared.release_profile_file(uuid)`,
    'drop table files.profile_files',
  ]);
}
