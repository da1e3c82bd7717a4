import { sql, type Kysely } from 'kysely';

/**
 * One index for each filter that can be rare. All end in the id, ascending: rows arrive with growing ids, so a group's new rows go to its right
 * edge and pages fill whole; lists scan them backwards. Each costs the consumer 1 to 2 µs a row.
 */
const INDEXES = {
  events_subject: '(subject, id)',
  events_user: '(user_id, id)',
  events_action: '(action, id)',
  // Serves a source, an outcome and both: each has a handful of values, and a list merges one scan of each.
  events_source_outcome: '(source, outcome, id)',
  events_resource: '(resource, id) where resource is not null',
  events_resource_type: '(resource_type, id) where resource_type is not null',
  events_session: '(session_id, id) where session_id is not null',
  events_request: '(request_id, id)',
  events_tenant: '(tenant_id, id) where tenant_id is not null',
};

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`drop index audit.events_subject, audit.events_user`.execute(db);
  for (const [name, columns] of Object.entries(INDEXES))
    await sql.raw(`create index ${name} on audit.events ${columns}`).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `drop index ${Object.keys(INDEXES)
        .map((name) => `audit.${name}`)
        .join(', ')}`,
    )
    .execute(db);
  await sql`create index events_subject on audit.events (subject, id desc)`.execute(db);
  await sql`create index events_user on audit.events (user_id, id desc)`.execute(db);
}
