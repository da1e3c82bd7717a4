import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // Keys of objects begin with the id of a batch. So one row names what a crash leaves of many
  // uploads, before their first byte goes to S3.
  await sql`
    create table files.object_batches (
      id uuid primary key,
      updated timestamptz not null default now(),
      withdrawn timestamptz
    )`.execute(db);
  await sql`grant select, insert, update, delete on files.object_batches to file_service`.execute(
    db,
  );
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table files.object_batches`.execute(db);
}
