import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table identity.signing_keys drop constraint signing_keys_status_check`.execute(
    db,
  );
  await sql`alter table identity.signing_keys add constraint signing_keys_status_check check (status in ('next', 'active', 'retired', 'compromised'))`.execute(
    db,
  );
  await sql`alter table identity.signing_keys add column activated_at timestamptz`.execute(db);
  await sql`update identity.signing_keys set activated_at = created_at`.execute(db);
  // A key that signs no more loses its private part: there is nothing left of it to be stolen.
  await sql`alter table identity.signing_keys alter column wrapped_private drop not null`.execute(
    db,
  );
  await sql`alter table identity.signing_keys add constraint signing_keys_private check (status not in ('next', 'active') or wrapped_private is not null)`.execute(
    db,
  );
  await sql`create unique index signing_keys_next on identity.signing_keys (status) where status = 'next'`.execute(
    db,
  );
  // A retired key verifies until what it signed has expired.
  await sql`
    create or replace view shared.public_keys with (security_barrier) as
      select kid, algorithm, public_jwk, status from identity.signing_keys
      where status <> 'retired' or retires_at is null or retires_at > now()`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`
    create or replace view shared.public_keys with (security_barrier) as
      select kid, algorithm, public_jwk, status from identity.signing_keys`.execute(db);
  await sql`drop index identity.signing_keys_next`.execute(db);
  await sql`delete from identity.signing_keys where status = 'next' or wrapped_private is null`.execute(
    db,
  );
  await sql`alter table identity.signing_keys drop constraint signing_keys_private, drop constraint signing_keys_status_check, drop column activated_at`.execute(
    db,
  );
  await sql`alter table identity.signing_keys alter column wrapped_private set not null`.execute(
    db,
  );
  await sql`alter table identity.signing_keys add constraint signing_keys_status_check check (status in ('active', 'retired', 'compromised'))`.execute(
    db,
  );
}
