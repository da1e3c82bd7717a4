import { sql, type Kysely } from 'kysely';

const OWNERS = { identity: 'user_service', files: 'file_service', audit: 'audit_service' } as const;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`revoke all on schema public from public`.execute(db);
  await sql`grant usage on schema migrations to user_service, file_service, audit_service`.execute(
    db,
  );
  await sql`alter default privileges in schema migrations grant select on tables to user_service, file_service, audit_service`.execute(
    db,
  );
  await sql`grant select on all tables in schema migrations to user_service, file_service, audit_service`.execute(
    db,
  );

  for (const [schema, role] of Object.entries(OWNERS)) {
    await sql`create schema ${sql.id(schema)}`.execute(db);
    await sql`grant usage on schema ${sql.id(schema)} to ${sql.id(role)}`.execute(db);
    await sql`
      create table ${sql.table(`${schema}.leases`)} (
        name text primary key,
        holder text not null,
        epoch bigint not null,
        expires_at timestamptz not null
      )`.execute(db);
    await sql`grant select, insert, update on ${sql.table(`${schema}.leases`)} to ${sql.id(role)}`.execute(
      db,
    );
  }
  await sql`create schema shared`.execute(db);
  await sql`create schema keys`.execute(db);
  await sql`grant usage on schema shared, keys to user_service, file_service, audit_service`.execute(
    db,
  );

  // A deletion is a durable order that each service works off by itself; it may tick off its own part and nothing else.
  await sql`
    create table shared.erasures (
      user_id uuid primary key,
      requested_at timestamptz not null default now(),
      identity_done boolean not null default false,
      files_done boolean not null default false,
      audit_done boolean not null default false
    )`.execute(db);
  await sql`create index erasures_requested_at on shared.erasures (requested_at)`.execute(db);
  await sql`grant select on shared.erasures to user_service, file_service, audit_service`.execute(
    db,
  );
  for (const column of ['identity_done', 'files_done', 'audit_done']) {
    await sql`create index ${sql.id(`erasures_without_${column}`)} on shared.erasures (user_id) where not ${sql.id(column)}`.execute(
      db,
    );
  }
  await sql`grant insert (user_id, identity_done), update (identity_done) on shared.erasures to user_service`.execute(
    db,
  );
  await sql`grant update (files_done) on shared.erasures to file_service`.execute(db);
  await sql`grant update (audit_done) on shared.erasures to audit_service`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop schema identity, files, audit, shared, keys cascade`.execute(db);
  await sql`alter default privileges in schema migrations revoke select on tables from user_service, file_service, audit_service`.execute(
    db,
  );
}
