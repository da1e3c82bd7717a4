import { sql, type Kysely } from 'kysely';

// The reconciler must know which months were moved out: one that is back for a while stands before months whose events are not there.
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`grant select (month, dropped_at) on audit.archives to audit_reconciler`.execute(db);
  await sql`grant execute on function audit.month_start(text) to audit_reconciler`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`revoke execute on function audit.month_start(text) from audit_reconciler`.execute(db);
  await sql`revoke select (month, dropped_at) on audit.archives from audit_reconciler`.execute(db);
}
