import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // Device tokens name it, so a new password makes every device unknown, whoever had it.
  await sql`alter table identity.users add column password_epoch integer not null default 0`.execute(
    db,
  );
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`alter table identity.users drop column password_epoch`.execute(db);
}
