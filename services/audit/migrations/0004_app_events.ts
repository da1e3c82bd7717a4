import { sql, type Kysely } from 'kysely';

const LANES = 16;

export async function up(db: Kysely<unknown>): Promise<void> {
  // The outbox of the source `app`, in a schema of its own with the names that every outbox has: the relay then carries it like any other.
  await sql`create schema app`.execute(db);
  await sql`grant usage on schema app to audit_service`.execute(db);
  await sql`
    create table app.leases (
      name text primary key,
      holder text not null,
      epoch bigint not null,
      expires_at timestamptz not null
    )`.execute(db);
  await sql`
    create table app.outbox (
      position bigint generated always as identity primary key,
      event_id uuid not null unique,
      lane smallint not null,
      seq bigint,
      head text not null,
      tail text not null,
      created_at timestamptz not null default now(),
      sent_at timestamptz
    ) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0)`.execute(
    db,
  );
  await sql`create index outbox_unclaimed on app.outbox (position) where seq is null`.execute(db);
  await sql`create unique index outbox_claimed on app.outbox (lane, seq) where seq is not null`.execute(
    db,
  );
  await sql`create table app.outbox_lanes (lane smallint primary key, last_seq bigint not null default 0)`.execute(
    db,
  );
  await sql`insert into app.outbox_lanes (lane) select generate_series(0, ${sql.lit(LANES - 1)})`.execute(
    db,
  );
  await sql`grant select, insert, update on app.leases to audit_service`.execute(db);
  await sql`grant select, insert, update, delete on app.outbox to audit_service`.execute(db);
  await sql`grant select, update on app.outbox_lanes to audit_service`.execute(db);

  // Which of our events a caller's id became: the key that makes a repeated call the same event. The fingerprint (an HMAC of what was sent)
  // tells a repetition from another event under a used id; it goes when its subject is erased, for it could confirm a guess.
  await sql`
    create table audit.app_events (
      tenant_id text not null,
      caller_id text not null,
      event_id uuid not null,
      subject text,
      fingerprint bytea,
      primary key (tenant_id, caller_id)
    )`.execute(db);
  await sql`create index app_events_subject on audit.app_events (subject) where fingerprint is not null and subject is not null`.execute(
    db,
  );
  await sql`grant select, insert, update (fingerprint) on audit.app_events to audit_service`.execute(
    db,
  );

  await sql`
    create table audit.viewer_tokens (
      id uuid primary key,
      token_hash bytea not null constraint viewer_tokens_token_hash unique,
      tenant_id text not null,
      created_by uuid not null,
      created timestamptz not null default now(),
      expires_at timestamptz not null,
      revoked_at timestamptz
    )`.execute(db);
  await sql`create index viewer_tokens_expiry on audit.viewer_tokens (expires_at)`.execute(db);
  await sql`grant select, insert, delete, update (revoked_at) on audit.viewer_tokens to audit_service`.execute(
    db,
  );
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table audit.viewer_tokens, audit.app_events`.execute(db);
  await sql`drop schema app cascade`.execute(db);
}
