import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // `position`: all of the log up to this index has been looked at for the webhook. It moves in the transaction that makes the deliveries, so
  // nothing is skipped whatever stops in between. Secrets are wrapped by the master key.
  await sql`
    create table audit.webhooks (
      id uuid primary key,
      url text not null,
      description text,
      actions text[] not null,
      tenant_id text,
      include_personal boolean not null,
      enabled boolean not null default true,
      disabled_reason text check (disabled_reason in ('gone', 'failing')),
      wrapped_secret bytea not null,
      wrapped_previous_secret bytea,
      previous_secret_until timestamptz,
      position bigint not null check (position >= -1),
      failures integer not null default 0,
      failing_since timestamptz,
      probe_at timestamptz,
      created_by uuid not null,
      created timestamptz not null default now(),
      updated timestamptz not null default now()
    )`.execute(db);
  // An event that is on its way to a webhook, or has given up. What was delivered has no row.
  await sql`
    create table audit.webhook_deliveries (
      webhook_id uuid not null references audit.webhooks (id) on delete cascade,
      event_id uuid not null,
      index bigint not null,
      status text not null default 'pending' check (status in ('pending', 'dead')),
      attempts integer not null default 0,
      next_attempt_at timestamptz not null default now(),
      last_attempt_at timestamptz,
      last_status smallint,
      last_error text,
      created timestamptz not null default now(),
      primary key (webhook_id, event_id),
      unique (webhook_id, index)
    )`.execute(db);
  await sql`create index webhook_deliveries_due on audit.webhook_deliveries (webhook_id, next_attempt_at) where status = 'pending'`.execute(
    db,
  );
  await sql`grant select, insert, update, delete on audit.webhooks, audit.webhook_deliveries to audit_service`.execute(
    db,
  );
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table audit.webhook_deliveries, audit.webhooks`.execute(db);
}
