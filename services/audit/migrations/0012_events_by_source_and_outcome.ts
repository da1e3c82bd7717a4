import { sql, type Kysely } from 'kysely';

/**
 * One key of two columns. As two the planner preferred the index of lanes, which begins with the
 * source too, and sorted all events of a source for a page.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`drop index audit.events_source_outcome`.execute(db);
  await sql`
    create index events_source_and_outcome
    on audit.events ((source || ' ' || outcome), id)`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop index audit.events_source_and_outcome`.execute(db);
  await sql`create index events_source_outcome on audit.events (source, outcome, id)`.execute(db);
}
