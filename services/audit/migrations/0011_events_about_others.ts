import { sql, type Kysely } from 'kysely';

/**
 * The few events that a user caused about others, for the user's own list. An insert of any other
 * event does not touch it.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create index events_about_others on audit.events ((user_id::text), id)
    where subject is distinct from user_id::text`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop index audit.events_about_others`.execute(db);
}
