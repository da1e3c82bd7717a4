import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // A spent child proves that its answer arrived. Null for tokens that were spent before this.
  await sql`alter table identity.refresh_tokens add column child_hash bytea`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`alter table identity.refresh_tokens drop column child_hash`.execute(db);
}
