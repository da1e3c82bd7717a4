import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // Which leaf of the Merkle log an event is. Both columns are unique over the whole log, whatever becomes of the event's partition: a second
  // sealer, or one that went back in time, is refused by the table itself.
  await sql`
    create table audit.sealed (
      index bigint primary key check (index >= 0),
      event_id uuid not null unique
    )`.execute(db);
  await sql`grant select, insert on audit.sealed to audit_service`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table audit.sealed`.execute(db);
}
