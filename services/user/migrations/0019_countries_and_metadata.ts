import { sql, type Kysely } from 'kysely';

const run = async (db: Kysely<unknown>, statements: readonly string[]): Promise<void> => {
  for (const statement of statements) await sql.raw(statement).execute(db);
};

// Constraints that no older row can break, so they stay unproved for good.
const COLUMNS = [
  `alter table identity.users
    add column country_code text collate "C",
    add column user_metadata jsonb not null default '{}',
    add column app_metadata jsonb not null default '{}'`,
  `alter table identity.users add constraint users_country_code_form check (
    country_code is null or country_code ~ '^[A-Z]{2}$' and country is not null) not valid`,
  `alter table identity.users add constraint users_metadata_form check (
    jsonb_typeof(user_metadata) = 'object' and jsonb_typeof(app_metadata) = 'object') not valid`,
];

// A hash of kind, path and value, since values are long. With the user's time, which never changes,
// so that the newest users with a value are read by one range of the index.
const TERMS = [
  `create table identity.user_metadata_terms (
    user_id uuid not null references identity.users on delete cascade,
    term bytea not null,
    user_created timestamptz not null,
    primary key (user_id, term)
  )`,
  `create index user_metadata_terms_term
    on identity.user_metadata_terms (term, user_created, user_id)`,
  // Items of arrays have the path of their array.
  `create function identity.metadata_terms(kind text, metadata jsonb) returns setof bytea
    language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
      with recursive node (path, value) as (
        select jsonb_build_array(kind), metadata
        union all
        select case when inside.key is null then node.path
          else node.path || jsonb_build_array(inside.key) end, inside.value
        from node, lateral (
          select key, value from jsonb_each(
            case jsonb_typeof(node.value) when 'object' then node.value else '{}' end)
          union all
          select null, value from jsonb_array_elements(
            case jsonb_typeof(node.value) when 'array' then node.value else '[]' end)) inside
      )
      select distinct sha256(convert_to((path || jsonb_build_array(value))::text, 'UTF8'))
      from node where jsonb_typeof(value) not in ('object', 'array')
    $$`,
  `create function identity.index_user_metadata() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    declare terms bytea[] := array(
      select identity.metadata_terms('user', new.user_metadata)
      union select identity.metadata_terms('app', new.app_metadata));
    begin
      delete from identity.user_metadata_terms t where t.user_id = new.id and t.term <> all (terms);
      insert into identity.user_metadata_terms (user_id, term, user_created)
      select new.id, term, new.created from unnest(terms) term on conflict do nothing;
      return null;
    end $$`,
  'revoke execute on function identity.index_user_metadata() from public',
  `create trigger users_index_metadata after insert on identity.users for each row
    when (new.user_metadata <> '{}' or new.app_metadata <> '{}')
    execute function identity.index_user_metadata()`,
  `create trigger users_index_changed_metadata
    after update of user_metadata, app_metadata on identity.users for each row
    when (old.user_metadata <> new.user_metadata or old.app_metadata <> new.app_metadata)
    execute function identity.index_user_metadata()`,
  'grant select on identity.user_metadata_terms to user_service',
];

/** What access tokens hold of a user's app_metadata; null for nothing, and for too much. */
const NAMED_PART = `(select case when octet_length(named.part::text) <= 512 then named.part end
  from (select jsonb_object_agg(k.key, u.app_metadata -> k.key) as part
    from identity.token_metadata_keys k where u.app_metadata ? k.key) named)`;

const LIVE_SESSIONS = (columns: string): string => `
  create or replace view shared.live_sessions with (security_barrier) as
    select s.id as session_id, u.id as user_id, u.type as role, u.status${columns}
    from identity.sessions s join identity.users u on u.id = s.user_id
    where s.revoked_at is null and s.expires_at > clock_timestamp()
      and s.last_seen + s.idle_timeout > clock_timestamp() and u.status = 'active'`;

// The names stand in the database, so that all services compare tokens by the same ones.
const TOKENS = [
  'create table identity.token_metadata_keys (key text primary key)',
  'grant select, insert, delete on identity.token_metadata_keys to user_service',
  `create view identity.token_metadata as
    select u.id as user_id, ${NAMED_PART} as app_metadata from identity.users u`,
  'grant select on identity.token_metadata to user_service',
  LIVE_SESSIONS(`, ${NAMED_PART} as app_metadata`),
  `create function identity.announce_token_metadata() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      if exists (select from identity.token_metadata_keys k
        where old.app_metadata -> k.key is distinct from new.app_metadata -> k.key) then
        perform identity.announce_revocation('user', old.id::text, identity.access_tokens_end());
      end if;
      return null;
    end $$`,
  'revoke execute on function identity.announce_token_metadata() from public',
  // A trigger, so that no code path and no operator's statement leaves tokens with former values.
  `create trigger users_announce_token_metadata after update of app_metadata on identity.users
    for each row when (old.app_metadata <> new.app_metadata)
    execute function identity.announce_token_metadata()`,
];

/** The country of a user in one form, and the metadata of users, their index and their claim. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await run(db, [...COLUMNS, ...TERMS, ...TOKENS]);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await run(db, [
    'drop trigger users_announce_token_metadata on identity.users',
    'drop trigger users_index_metadata on identity.users',
    'drop trigger users_index_changed_metadata on identity.users',
    'drop function identity.announce_token_metadata(), identity.index_user_metadata()',
    'drop view identity.token_metadata, shared.live_sessions',
    LIVE_SESSIONS(''),
    'grant select on shared.live_sessions to user_service, file_service, audit_service',
    'drop table identity.token_metadata_keys, identity.user_metadata_terms',
    'drop function identity.metadata_terms(text, jsonb)',
    `alter table identity.users drop constraint users_metadata_form,
      drop constraint users_country_code_form, drop column country_code,
      drop column user_metadata, drop column app_metadata`,
  ]);
}
