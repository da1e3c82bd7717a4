import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // Links live side by side until one is used: a stranger's request must not void the owner's link.
  await sql`alter table identity.reset_tokens drop constraint reset_tokens_pkey`.execute(db);
  await sql`create index reset_tokens_user on identity.reset_tokens (user_id)`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`
    delete from identity.reset_tokens t using identity.reset_tokens newer
    where newer.user_id = t.user_id and (newer.created, newer.token_hash) > (t.created, t.token_hash)`.execute(
    db,
  );
  await sql`drop index identity.reset_tokens_user`.execute(db);
  await sql`alter table identity.reset_tokens add primary key (user_id)`.execute(db);
}
