import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // An account for a program: nobody can sign in to it, whatever the code does, and it has no mailbox.
  await sql`alter table identity.users add column service boolean not null default false`.execute(
    db,
  );
  await sql`alter table identity.users add constraint users_service_has_no_password check (not service or password_hash is null)`.execute(
    db,
  );
  await sql`create index users_service on identity.users (id) where service`.execute(db);
  await sql`
    create table identity.api_tokens (
      id uuid primary key,
      user_id uuid not null references identity.users on delete cascade,
      token_hash bytea not null unique check (length(token_hash) = 32),
      name text not null,
      scopes text[] not null check (cardinality(scopes) > 0),
      allowed_ips cidr[] not null default '{}',
      ip text,
      user_agent text,
      created timestamptz not null default now(),
      expires_at timestamptz not null,
      last_used_at timestamptz,
      last_used_ip text,
      revoked_at timestamptz
    )`.execute(db);
  await sql`create index api_tokens_user on identity.api_tokens (user_id, id desc)`.execute(db);
  await sql`create index api_tokens_expiry on identity.api_tokens (expires_at)`.execute(db);
  // No index holds last_used_at, so with room left on its page an update of it writes no index either.
  await sql`alter table identity.api_tokens set (fillfactor = 80)`.execute(db);
  await sql`grant select, insert, delete, update (revoked_at) on identity.api_tokens to user_service`.execute(
    db,
  );

  // Triggers, so that no code path, no operator's statement and no cascade can end a token and forget to say so.
  await sql`
    create function identity.announce_api_token_end() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      perform identity.announce_revocation('api_token', old.id::text, old.expires_at);
      return null;
    end $$`.execute(db);
  await sql`revoke execute on function identity.announce_api_token_end() from public`.execute(db);
  await sql`
    create trigger api_tokens_announce_end after update of revoked_at, expires_at, user_id on identity.api_tokens for each row
    when (old.revoked_at is null and (new.revoked_at is not null or new.expires_at < old.expires_at or new.user_id <> old.user_id))
    execute function identity.announce_api_token_end()`.execute(db);
  await sql`
    create trigger api_tokens_announce_deletion after delete on identity.api_tokens for each row
    when (old.revoked_at is null and old.expires_at > now())
    execute function identity.announce_api_token_end()`.execute(db);

  // What a service may ask: about tokens that it was shown or has let in before, never for all there are. What is absent does not count.
  await sql`
    create function shared.find_api_tokens(hashes bytea[], ids uuid[])
    returns table (id uuid, token_hash bytea, user_id uuid, role text, scopes text[], allowed_ips text[], expires_at timestamptz)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      select t.id, t.token_hash, t.user_id, u.type, t.scopes, t.allowed_ips::text[], t.expires_at
      from identity.api_tokens t join identity.users u on u.id = t.user_id
      where (t.token_hash = any(hashes) or t.id = any(ids)) and t.revoked_at is null and t.expires_at > clock_timestamp() and u.status = 'active'
    $$`.execute(db);
  // Rows that another statement holds are being used or ended by it: waiting for them could deadlock.
  await sql`
    create function shared.touch_api_tokens(token_ids uuid[], seconds_ago double precision[], addresses text[]) returns integer
    language sql security definer set search_path = pg_catalog, pg_temp as $$
      with seen as (
        select distinct on (token_id) token_id, clock_timestamp() - greatest(ago, 0) * interval '1 second' as at, address
        from unnest(token_ids, seconds_ago, addresses) as given (token_id, ago, address) order by token_id, ago
      ), held as (
        select t.id, seen.at, seen.address from identity.api_tokens t join seen on seen.token_id = t.id
        where t.revoked_at is null and (t.last_used_at is null or seen.at > t.last_used_at)
        for no key update of t skip locked
      ), touched as (
        update identity.api_tokens t set last_used_at = held.at, last_used_ip = held.address from held where t.id = held.id returning 1
      )
      select count(*)::integer from touched
    $$`.execute(db);
  for (const name of [
    'find_api_tokens(bytea[], uuid[])',
    'touch_api_tokens(uuid[], double precision[], text[])',
  ]) {
    await sql`revoke execute on function ${sql.raw(`shared.${name}`)} from public`.execute(db);
    await sql`grant execute on function ${sql.raw(`shared.${name}`)} to user_service, file_service, audit_service`.execute(
      db,
    );
  }
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop function shared.find_api_tokens(bytea[], uuid[]), shared.touch_api_tokens(uuid[], double precision[], text[])`.execute(
    db,
  );
  await sql`drop table identity.api_tokens`.execute(db);
  await sql`drop function identity.announce_api_token_end()`.execute(db);
  await sql`drop index identity.users_service`.execute(db);
  await sql`alter table identity.users drop constraint users_service_has_no_password, drop column service`.execute(
    db,
  );
}
