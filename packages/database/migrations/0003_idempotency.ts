import { sql, type Kysely } from 'kysely';

const OWNERS = { identity: 'user_service', files: 'file_service', audit: 'audit_service' } as const;

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const [schema, role] of Object.entries(OWNERS)) {
    const keys = sql.table(`${schema}.idempotency_keys`);
    const secret = sql.table(`${schema}.idempotency_secret`);
    // Each service has its own, so that none can tell what another was asked, nor store an answer for it.
    await sql`
      create table ${keys} (
        scope bytea not null check (octet_length(scope) = 32),
        fingerprint bytea not null check (octet_length(fingerprint) = 32),
        user_id uuid,
        sealed bytea not null,
        created timestamptz not null default clock_timestamp(),
        constraint idempotency_keys_pkey primary key (scope)
      )`.execute(db);
    await sql`create index idempotency_keys_created on ${keys} (created)`.execute(db);
    await sql`create index idempotency_keys_user on ${keys} (user_id) where user_id is not null`.execute(
      db,
    );
    // The update is for row locks alone, by which replicas that delete at once pass each other by.
    await sql`grant select, insert, delete, update (created) on ${keys} to ${sql.id(role)}`.execute(
      db,
    );
    await sql`create table ${secret} (id boolean primary key default true check (id), wrapped bytea not null)`.execute(
      db,
    );
    await sql`grant select, insert on ${secret} to ${sql.id(role)}`.execute(db);
  }
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const schema of Object.keys(OWNERS))
    await sql`drop table ${sql.table(`${schema}.idempotency_keys`)}, ${sql.table(`${schema}.idempotency_secret`)}`.execute(
      db,
    );
}
