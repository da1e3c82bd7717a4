import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // A subject may have had several keys: blocks name the one they were sealed under, new ones take the one that is not superseded.
  await sql`alter table keys.subject_keys add column superseded_at timestamptz`.execute(db);
  await sql`drop index keys.subject_keys_subject`.execute(db);
  await sql`create unique index subject_keys_current on keys.subject_keys (subject) where superseded_at is null`.execute(
    db,
  );
  await sql`create index subject_keys_subject on keys.subject_keys (subject)`.execute(db);
  await sql`create index subject_keys_age on keys.subject_keys (created_at) where superseded_at is null`.execute(
    db,
  );
  await sql`create index subject_keys_day on keys.subject_keys ((subject collate "C")) where subject like 'day:%'`.execute(
    db,
  );
  await sql`create index erased_subjects_erased_at on keys.erased_subjects (erased_at)`.execute(db);

  await sql`
    create or replace function keys.find_subject_key(wanted text) returns table (key_id uuid, wrapped bytea, erased boolean, uncommitted boolean)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      -- now() is the start of the transaction, and so is the created_at of a key that it made itself.
      select k.key_id, k.wrapped, e.subject is not null, coalesce(k.created_at = now(), false)
      from (select wanted as subject) w
      left join keys.subject_keys k on k.subject = w.subject and k.superseded_at is null
      left join keys.erased_subjects e on e.subject = w.subject
    $$`.execute(db);
  await sql`
    create or replace function keys.create_subject_key(wanted text, proposed_id uuid, proposed bytea) returns table (key_id uuid, wrapped bytea)
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    begin
      -- Serialises with keys.erase_subject, so that no key is made in the instant after the tombstone.
      perform pg_advisory_xact_lock_shared(hashtextextended(wanted, 7305148));
      if exists (select 1 from keys.erased_subjects e where e.subject = wanted) then return; end if;
      insert into keys.subject_keys (key_id, subject, wrapped) values (proposed_id, wanted, proposed)
      on conflict (subject) where superseded_at is null do nothing;
      return query select k.key_id, k.wrapped from keys.subject_keys k where k.subject = wanted and k.superseded_at is null;
    end $$`.execute(db);
  // The old key stays for the blocks that name it: what is sealed is never written again.
  await sql`
    create function keys.rotate_subject_key(wanted text, proposed_id uuid, proposed bytea) returns boolean
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    begin
      perform pg_advisory_xact_lock(hashtextextended(wanted, 7305148));
      if exists (select 1 from keys.erased_subjects e where e.subject = wanted) then return false; end if;
      update keys.subject_keys k set superseded_at = now() where k.subject = wanted and k.superseded_at is null;
      if not found then return false; end if;
      insert into keys.subject_keys (key_id, subject, wrapped) values (proposed_id, wanted, proposed);
      return true;
    end $$`.execute(db);
  // A key of a day ends by itself; rotating one would give an address two subjects within its day.
  await sql`
    create function keys.list_keys_to_rotate(older_than timestamptz, most integer) returns table (subject text)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      select k.subject from keys.subject_keys k
      where k.superseded_at is null and k.created_at < older_than and k.subject not like 'day:%'
      order by k.created_at limit most
    $$`.execute(db);
  await sql`
    create function keys.list_erased(within interval) returns table (subject text)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      select e.subject from keys.erased_subjects e where e.erased_at > clock_timestamp() - within
    $$`.execute(db);
  await sql`
    create function keys.list_erased_among(subjects text[]) returns table (subject text)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      select e.subject from keys.erased_subjects e where e.subject = any(subjects)
    $$`.execute(db);
  await sql`
    create or replace function keys.erase_subject(erased text) returns void
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    begin
      perform pg_advisory_xact_lock(hashtextextended(erased, 7305148));
      -- The clock, not the transaction's start: replicas ask for what was erased lately, and this may have waited for the lock.
      insert into keys.erased_subjects (subject, erased_at) values (erased, clock_timestamp()) on conflict do nothing;
      delete from keys.subject_keys k where k.subject = erased;
    end $$`.execute(db);
  await sql`
    create or replace function keys.destroy_day_keys(before date) returns integer
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    declare destroyed integer;
    begin
      delete from keys.subject_keys k
      where k.subject like 'day:%' and k.subject collate "C" < 'day:' || to_char(before, 'YYYY-MM-DD');
      get diagnostics destroyed = row_count;
      return destroyed;
    end $$`.execute(db);

  // One key for all search terms, wrapped like the others: the master key may change and the terms stay what they are.
  await sql`
    create table keys.search_key (
      id boolean primary key default true check (id),
      wrapped bytea not null,
      created_at timestamptz not null default now()
    )`.execute(db);
  await sql`
    create function keys.find_search_key() returns bytea
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$ select k.wrapped from keys.search_key k $$`.execute(
    db,
  );
  await sql`
    create function keys.create_search_key(proposed bytea) returns bytea
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    begin
      insert into keys.search_key (wrapped) values (proposed) on conflict do nothing;
      return (select k.wrapped from keys.search_key k);
    end $$`.execute(db);

  // The journal of erasures tells more than a database that was restored: what it has worked off and forgotten is ordered again.
  await sql`
    create function shared.replay_erasures(erased uuid[]) returns setof uuid
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    declare one uuid;
    begin
      for one in
        select u from unnest(erased) u where not exists (select from keys.erased_subjects e where e.subject = u::text)
      loop
        perform keys.erase_subject(one::text);
        insert into shared.erasures (user_id) values (one)
        on conflict (user_id) do update set requested_at = now(), identity_done = false, files_done = false, audit_done = false;
        return next one;
      end loop;
    end $$`.execute(db);
  await sql`revoke all on function shared.replay_erasures(uuid[]) from public`.execute(db);
  await sql`grant execute on function shared.replay_erasures(uuid[]) to audit_service`.execute(db);

  await sql`
    revoke all on function keys.rotate_subject_key(text, uuid, bytea), keys.list_keys_to_rotate(timestamptz, integer), keys.list_erased(interval),
      keys.list_erased_among(text[]), keys.find_search_key(), keys.create_search_key(bytea) from public`.execute(
    db,
  );
  await sql`grant execute on function keys.list_erased(interval) to user_service, file_service, audit_service`.execute(
    db,
  );
  await sql`
    grant execute on function keys.rotate_subject_key(text, uuid, bytea), keys.list_keys_to_rotate(timestamptz, integer), keys.list_erased_among(text[]),
      keys.find_search_key(), keys.create_search_key(bytea) to audit_service`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop function shared.replay_erasures`.execute(db);
  await sql`drop function keys.rotate_subject_key, keys.list_keys_to_rotate, keys.list_erased, keys.list_erased_among, keys.find_search_key, keys.create_search_key`.execute(
    db,
  );
  await sql`drop table keys.search_key`.execute(db);
  await sql`delete from keys.subject_keys where superseded_at is not null`.execute(db);
  await sql`drop index keys.subject_keys_current, keys.subject_keys_subject, keys.subject_keys_age, keys.subject_keys_day, keys.erased_subjects_erased_at`.execute(
    db,
  );
  await sql`alter table keys.subject_keys drop column superseded_at`.execute(db);
  await sql`create unique index subject_keys_subject on keys.subject_keys (subject)`.execute(db);
}
