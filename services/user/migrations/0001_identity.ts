import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table identity.users (
      id uuid primary key,
      type text not null default 'customer' check (type in ('customer', 'vendor', 'admin')),
      status text not null default 'active' check (status in ('active', 'inactive', 'suspended', 'pending')),
      is_verified boolean not null default false,
      name text,
      first_name text,
      last_name text,
      email text not null,
      email_key text not null constraint users_email_key unique,
      password_hash text,
      created timestamptz not null default now(),
      updated timestamptz not null default now()
    )`.execute(db);
  await sql`
    create table identity.sessions (
      id uuid primary key,
      user_id uuid not null references identity.users on delete cascade,
      ip text,
      user_agent text,
      created timestamptz not null default now(),
      last_seen timestamptz not null default now(),
      expires_at timestamptz not null,
      revoked_at timestamptz,
      revoked_reason text
    )`.execute(db);
  await sql`create index sessions_user on identity.sessions (user_id)`.execute(db);
  await sql`create index sessions_expiry on identity.sessions (expires_at)`.execute(db);
  await sql`create index sessions_revoked on identity.sessions (revoked_at) where revoked_at is not null`.execute(
    db,
  );
  // Opaque tokens are kept as SHA-256 only. A spent one keeps its child, sealed under the token itself, for an identical retry.
  await sql`
    create table identity.refresh_tokens (
      token_hash bytea primary key,
      session_id uuid not null references identity.sessions on delete cascade,
      created timestamptz not null default now(),
      expires_at timestamptz not null,
      spent_at timestamptz,
      sealed_child bytea
    )`.execute(db);
  await sql`create index refresh_tokens_session on identity.refresh_tokens (session_id)`.execute(
    db,
  );
  await sql`create index refresh_tokens_expiry on identity.refresh_tokens (expires_at)`.execute(db);
  await sql`create index refresh_tokens_sealed on identity.refresh_tokens (spent_at) where sealed_child is not null`.execute(
    db,
  );
  await sql`
    create table identity.signing_keys (
      kid text primary key,
      algorithm text not null,
      public_jwk jsonb not null,
      wrapped_private bytea not null,
      status text not null default 'active' check (status in ('active', 'retired', 'compromised')),
      created_at timestamptz not null default now(),
      retires_at timestamptz
    )`.execute(db);
  // One key signs at a time; replicas that start together race for it here.
  await sql`create unique index signing_keys_active on identity.signing_keys (status) where status = 'active'`.execute(
    db,
  );

  await sql`
    grant select, insert, update, delete on identity.users, identity.sessions, identity.refresh_tokens to user_service`.execute(
    db,
  );
  await sql`grant select, insert, update on identity.signing_keys to user_service`.execute(db);

  // What other services may know of identity, and nothing else.
  await sql`
    create view shared.live_sessions with (security_barrier) as
      select s.id as session_id, u.id as user_id, u.type as role, u.status
      from identity.sessions s join identity.users u on u.id = s.user_id
      where s.revoked_at is null and s.expires_at > clock_timestamp() and u.status = 'active'`.execute(
    db,
  );
  await sql`
    create view shared.public_keys with (security_barrier) as
      select kid, algorithm, public_jwk, status from identity.signing_keys`.execute(db);
  await sql`
    create view shared.user_status with (security_barrier) as
      select id as user_id, type as role, status from identity.users`.execute(db);
  await sql`grant select on shared.live_sessions, shared.public_keys, shared.user_status to user_service, file_service, audit_service`.execute(
    db,
  );
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop view shared.live_sessions, shared.public_keys, shared.user_status`.execute(db);
  await sql`drop table identity.refresh_tokens, identity.sessions, identity.users, identity.signing_keys`.execute(
    db,
  );
}
