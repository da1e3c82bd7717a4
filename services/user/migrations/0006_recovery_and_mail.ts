import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // Who asked for a way back into which account. Worked off by a loop: the request itself never looks the account up.
  await sql`
    create table identity.recovery_requests (
      id uuid primary key,
      wrapped_request bytea not null,
      created timestamptz not null default now(),
      next_attempt timestamptz not null default now()
    )`.execute(db);
  await sql`create index recovery_requests_due on identity.recovery_requests (next_attempt)`.execute(
    db,
  );
  // One of each for a user: the newest counts. Tokens are kept as SHA-256 only.
  await sql`
    create table identity.reset_tokens (
      user_id uuid primary key references identity.users on delete cascade,
      token_hash bytea not null unique,
      created timestamptz not null default now(),
      expires_at timestamptz not null
    )`.execute(db);
  await sql`
    create table identity.email_changes (
      user_id uuid primary key references identity.users on delete cascade,
      token_hash bytea not null unique,
      email text not null,
      email_key text not null,
      created timestamptz not null default now(),
      expires_at timestamptz not null
    )`.execute(db);
  // Address and link are wrapped by the master key. A mail goes with its token, and both with the account: what is void or erased is not sent.
  await sql`
    create table identity.mail_outbox (
      id uuid primary key,
      user_id uuid not null references identity.users on delete cascade,
      reset_token bytea references identity.reset_tokens (token_hash) on delete cascade,
      email_change bytea references identity.email_changes (token_hash) on delete cascade,
      template text not null,
      locale text not null,
      wrapped_mail bytea,
      status text not null default 'waiting' check (status in ('waiting', 'dead')),
      attempts integer not null default 0,
      claim uuid,
      created timestamptz not null default now(),
      next_attempt timestamptz not null default now(),
      check ((status = 'waiting') = (wrapped_mail is not null))
    )`.execute(db);
  await sql`create index mail_outbox_due on identity.mail_outbox (next_attempt) where status = 'waiting'`.execute(
    db,
  );
  await sql`create index mail_outbox_user on identity.mail_outbox (user_id)`.execute(db);
  await sql`create index mail_outbox_reset_token on identity.mail_outbox (reset_token) where reset_token is not null`.execute(
    db,
  );
  await sql`create index mail_outbox_email_change on identity.mail_outbox (email_change) where email_change is not null`.execute(
    db,
  );
  await sql`
    grant select, insert, update, delete on identity.recovery_requests, identity.reset_tokens, identity.email_changes, identity.mail_outbox to user_service`.execute(
    db,
  );
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table identity.mail_outbox, identity.email_changes, identity.reset_tokens, identity.recovery_requests`.execute(
    db,
  );
}
