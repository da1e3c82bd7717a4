import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table files.files (
      id uuid primary key,
      user_id uuid not null,
      name text not null,
      size bigint,
      mime_type text,
      sha256 text,
      etag text,
      object_key text not null unique,
      object_version text,
      status text not null default 'pending' check (status in ('pending', 'ready', 'deleted', 'purged')),
      scan_status text not null default 'unscanned' check (scan_status in ('unscanned', 'clean', 'infected', 'failed')),
      created timestamptz not null default now(),
      updated timestamptz not null default now(),
      deleted_at timestamptz,
      constraint files_ready_is_whole check (status <> 'ready' or (size is not null and mime_type is not null and etag is not null))
    )`.execute(db);
  // A user's list, newest first: ids are UUIDv7, so their order is that of creation.
  await sql`create index files_of_user on files.files (user_id, id desc) where status = 'ready'`.execute(
    db,
  );
  await sql`create index files_to_settle on files.files (updated) where status in ('pending', 'deleted')`.execute(
    db,
  );
  await sql`grant select, insert, update, delete on files.files to file_service`.execute(db);

  // Objects that S3 may hold though no file has them: what a failed upload could not take back while S3 was out of reach.
  await sql`
    create table files.orphans (
      object_key text primary key,
      user_id uuid not null,
      since timestamptz not null default now(),
      not_before timestamptz not null default now()
    )`.execute(db);
  await sql`create index orphans_not_before on files.orphans (not_before)`.execute(db);
  await sql`create index orphans_of_user on files.orphans (user_id)`.execute(db);
  await sql`grant select, insert, update, delete on files.orphans to file_service`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table files.files, files.orphans`.execute(db);
}
