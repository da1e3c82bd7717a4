import { sql, type Kysely } from 'kysely';

const OWNERS = { identity: 'user_service', files: 'file_service', audit: 'audit_service' } as const;
const LANES = 16;

async function createOutbox(db: Kysely<unknown>, schema: string, role: string): Promise<void> {
  const outbox = sql.table(`${schema}.outbox`);
  const lanes = sql.table(`${schema}.outbox_lanes`);
  // Rows live for seconds and each is updated once: frequent vacuum and free room in the pages keep the table at its working size.
  await sql`
    create table ${outbox} (
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
  await sql`create index outbox_unclaimed on ${outbox} (position) where seq is null`.execute(db);
  await sql`create unique index outbox_claimed on ${outbox} (lane, seq) where seq is not null`.execute(
    db,
  );
  await sql`create table ${lanes} (lane smallint primary key, last_seq bigint not null default 0)`.execute(
    db,
  );
  await sql`insert into ${lanes} (lane) select generate_series(0, ${sql.lit(LANES - 1)})`.execute(
    db,
  );
  await sql`grant select, insert, update, delete on ${outbox} to ${sql.id(role)}`.execute(db);
  await sql`grant select, update on ${lanes} to ${sql.id(role)}`.execute(db);
}

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const [schema, role] of Object.entries(OWNERS)) await createOutbox(db, schema, role);

  await sql`
    create table keys.subject_keys (
      key_id uuid primary key,
      subject text not null,
      wrapped bytea not null,
      created_at timestamptz not null default now()
    )`.execute(db);
  await sql`create unique index subject_keys_subject on keys.subject_keys (subject)`.execute(db);
  // The tombstone outlives the key: an erased subject never gets a new one.
  await sql`create table keys.erased_subjects (subject text primary key, erased_at timestamptz not null default now())`.execute(
    db,
  );

  // No role may touch these tables; the functions are the only doors, each open to those who need it.
  await sql`
    create function keys.find_subject_key(wanted text) returns table (key_id uuid, wrapped bytea, erased boolean, uncommitted boolean)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      -- now() is the start of the transaction, and so is the created_at of a key that it made itself.
      select k.key_id, k.wrapped, e.subject is not null, coalesce(k.created_at = now(), false)
      from (select wanted as subject) w
      left join keys.subject_keys k using (subject)
      left join keys.erased_subjects e using (subject)
    $$`.execute(db);
  await sql`
    create function keys.create_subject_key(wanted text, proposed_id uuid, proposed bytea) returns table (key_id uuid, wrapped bytea)
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    begin
      -- Serialises with keys.erase_subject, so that no key is made in the instant after the tombstone.
      perform pg_advisory_xact_lock_shared(hashtextextended(wanted, 7305148));
      if exists (select 1 from keys.erased_subjects e where e.subject = wanted) then return; end if;
      insert into keys.subject_keys (key_id, subject, wrapped) values (proposed_id, wanted, proposed) on conflict (subject) do nothing;
      return query select k.key_id, k.wrapped from keys.subject_keys k where k.subject = wanted;
    end $$`.execute(db);
  await sql`
    create function keys.find_keys(wanted uuid[]) returns table (key_id uuid, subject text, wrapped bytea)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      select k.key_id, k.subject, k.wrapped from keys.subject_keys k where k.key_id = any(wanted)
    $$`.execute(db);
  await sql`
    create function keys.erase_subject(erased text) returns void
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    begin
      perform pg_advisory_xact_lock(hashtextextended(erased, 7305148));
      insert into keys.erased_subjects (subject) values (erased) on conflict do nothing;
      delete from keys.subject_keys k where k.subject = erased;
    end $$`.execute(db);
  // Who has no account is known only under a key of the day; without that key its events name nobody.
  await sql`
    create function keys.destroy_day_keys(before date) returns integer
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    declare destroyed integer;
    begin
      delete from keys.subject_keys k where k.subject ~ '^day:[0-9]{4}-[0-9]{2}-[0-9]{2}$' and substr(k.subject, 5)::date < before;
      get diagnostics destroyed = row_count;
      return destroyed;
    end $$`.execute(db);

  await sql`revoke all on all functions in schema keys from public`.execute(db);
  await sql`
    grant execute on function keys.find_subject_key(text), keys.create_subject_key(text, uuid, bytea)
    to user_service, file_service, audit_service`.execute(db);
  await sql`grant execute on function keys.find_keys(uuid[]), keys.erase_subject(text), keys.destroy_day_keys(date) to audit_service`.execute(
    db,
  );
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const schema of Object.keys(OWNERS)) {
    await sql`drop table ${sql.table(`${schema}.outbox`)}, ${sql.table(`${schema}.outbox_lanes`)}`.execute(
      db,
    );
  }
  await sql`drop function keys.find_subject_key, keys.create_subject_key, keys.find_keys, keys.erase_subject, keys.destroy_day_keys`.execute(
    db,
  );
  await sql`drop table keys.subject_keys, keys.erased_subjects`.execute(db);
}
