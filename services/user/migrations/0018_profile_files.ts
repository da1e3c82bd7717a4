import { sql, type Kysely } from 'kysely';

const run = async (db: Kysely<unknown>, statements: readonly string[]): Promise<void> => {
  for (const statement of statements) await sql.raw(statement).execute(db);
};

/**
 * The files of vendor profiles. The file service reads by the view who may see them. A trigger
 * releases what a profile names no more, so that no code path and no operator's SQL forgets it.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await run(db, [
    `grant insert (logo, business_registration_certificate) on identity.vendor_profiles
      to user_service`,
    `create view shared.vendor_profile_files as
      select id as profile_id, user_id, logo, business_registration_certificate as certificate,
        is_listed
      from identity.vendor_profiles`,
    'grant select on shared.vendor_profile_files to file_service',
    `create function identity.release_profile_files() returns trigger
      language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
      declare
        kept uuid[] := '{}';
        file uuid;
      begin
        if tg_op = 'UPDATE' then
          kept := array[new.logo, new.business_registration_certificate];
        end if;
        foreach file in array array[old.logo, old.business_registration_certificate] loop
          if file is not null and array_position(kept, file) is null then
            perform shared.release_profile_file(file);
          end if;
        end loop;
        return null;
      end $$`,
    'revoke execute on function identity.release_profile_files() from public',
    `create trigger vendor_profiles_release_files
      after delete or update of logo, business_registration_certificate
      on identity.vendor_profiles for each row
      execute function identity.release_profile_files()`,
  ]);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await run(db, [
    'drop trigger vendor_profiles_release_files on identity.vendor_profiles',
    'drop function identity.release_profile_files()',
    'drop view shared.vendor_profile_files',
    `revoke insert (logo, business_registration_certificate) on identity.vendor_profiles
      from user_service`,
  ]);
}
