import { sql, type Kysely } from 'kysely';

// Callers' ids are remembered for a time, not for ever: the table grew with every event. The id of our event has the
// time of the claim in it (UUIDv7), so the oldest claims are read from this index.
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index app_events_age on audit.app_events (event_id)`.execute(db);
  await sql`grant delete on audit.app_events to audit_service`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`revoke delete on audit.app_events from audit_service`.execute(db);
  await sql`drop index audit.app_events_age`.execute(db);
}
