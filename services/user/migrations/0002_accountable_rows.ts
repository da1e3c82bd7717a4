import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // What the reconciler compares with the trail: that a row is there, since when, and when it changed. Nothing of what is in it.
  await sql`create view shared.user_rows as select id, created, updated from identity.users`.execute(
    db,
  );
  await sql`create view shared.session_rows as select id, user_id, created from identity.sessions`.execute(
    db,
  );
  await sql`grant usage on schema shared to audit_reconciler`.execute(db);
  await sql`grant select on shared.user_rows, shared.session_rows to audit_reconciler`.execute(db);
  // Rows are added in the order of their creation, so a few blocks tell where the last minutes lie. A B-tree would cost each sign-in more.
  await sql`create index users_created on identity.users using brin (created)`.execute(db);
  await sql`create index users_updated on identity.users using brin (updated)`.execute(db);
  await sql`create index sessions_created on identity.sessions using brin (created)`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop index identity.users_created, identity.users_updated, identity.sessions_created`.execute(
    db,
  );
  await sql`drop view shared.user_rows, shared.session_rows`.execute(db);
}
