import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // What the reconciler compares with the trail. A pending row is an upload under way: it appears with its event or not at all.
  await sql`
    create view shared.file_rows as
      select id, user_id, created, updated, status <> 'ready' as deleted from files.files where status <> 'pending'`.execute(
    db,
  );
  await sql`grant usage on schema shared to audit_reconciler`.execute(db);
  await sql`grant select on shared.file_rows to audit_reconciler`.execute(db);
  await sql`create index files_created on files.files using brin (created)`.execute(db);
  await sql`create index files_updated on files.files using brin (updated)`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop index files.files_created, files.files_updated`.execute(db);
  await sql`drop view shared.file_rows`.execute(db);
}
