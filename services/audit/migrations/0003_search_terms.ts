import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // Finds events by an address or an e-mail without holding either: HMACs that an erasure deletes. An empty term stands for an event whose
  // terms could not be made yet.
  await sql`
    create table audit.search_terms (
      term bytea not null,
      event_id uuid not null,
      subject text not null,
      primary key (term, event_id)
    )`.execute(db);
  await sql`create index search_terms_subject on audit.search_terms (subject)`.execute(db);
  // Who has no account is forgotten with the key of the day; these go by the age of the event.
  await sql`create index search_terms_address on audit.search_terms (event_id) where subject like 'address:%'`.execute(
    db,
  );
  await sql`grant select, delete on audit.search_terms to audit_service`.execute(db);

  // The only way in. The lock parts it from an erasure: one that holds the lock waits for this transaction and then deletes what it has added;
  // one that held it before has left its tombstone. A statement of its own reads the tombstones, so that it sees all that the lock let by.
  await sql`
    create function audit.add_search_terms(terms bytea[], event_ids uuid[], subjects text[]) returns integer
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    declare added integer;
    begin
      perform pg_advisory_xact_lock_shared(7305150);
      insert into audit.search_terms (term, event_id, subject)
      select t.term, t.event_id, t.subject from unnest(terms, event_ids, subjects) as t(term, event_id, subject)
      where t.subject not in (select e.subject from keys.erased_subjects e where e.subject = any(subjects))
      order by t.term, t.event_id
      on conflict do nothing;
      get diagnostics added = row_count;
      return added;
    end $$`.execute(db);
  await sql`
    create function audit.delete_search_terms(erased text) returns integer
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    declare deleted integer;
    begin
      perform pg_advisory_xact_lock(7305150);
      delete from audit.search_terms t where t.subject = erased;
      get diagnostics deleted = row_count;
      return deleted;
    end $$`.execute(db);
  await sql`revoke all on function audit.add_search_terms(bytea[], uuid[], text[]), audit.delete_search_terms(text) from public`.execute(
    db,
  );
  await sql`
    grant execute on function audit.add_search_terms(bytea[], uuid[], text[]), audit.delete_search_terms(text), audit.uuid_floor(timestamptz)
    to audit_service`.execute(db);

  // What does not decode may hold anybody's values. Its bytes are sealed under the key of the day, which ends after 30 days (`key_id`; without one
  // the bytes are an event's, whose values are sealed in it); those in which a user's id stands go with that user.
  await sql`alter table audit.quarantine add column key_id uuid, add column mentions uuid[] not null default '{}'`.execute(
    db,
  );
  await sql`create index quarantine_mentions on audit.quarantine using gin (mentions)`.execute(db);
  await sql`
    create function audit.forget_quarantined(erased uuid) returns integer
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    declare forgotten integer;
    begin
      -- With whoever adds such a record at this moment, as with search terms.
      perform pg_advisory_xact_lock(7305150);
      update audit.quarantine q set data = '', key_id = null, mentions = '{}' where q.mentions @> array[erased];
      get diagnostics forgotten = row_count;
      return forgotten;
    end $$`.execute(db);
  await sql`revoke all on function audit.forget_quarantined(uuid) from public`.execute(db);
  await sql`grant execute on function audit.forget_quarantined(uuid) to audit_service`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`revoke execute on function audit.uuid_floor(timestamptz) from audit_service`.execute(
    db,
  );
  await sql`alter table audit.quarantine drop column key_id, drop column mentions`.execute(db);
  await sql`drop function audit.forget_quarantined, audit.add_search_terms, audit.delete_search_terms`.execute(
    db,
  );
  await sql`drop table audit.search_terms`.execute(db);
}
