import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // What was said before and no longer holds, for as long as a token that says it could still be shown. `announced_in` is the transaction: with it a
  // reader asks for exactly what its last snapshot did not show, however long that transaction took to commit.
  await sql`
    create table identity.revocations (
      kind text not null check (kind in ('session', 'user', 'key', 'api_token')),
      id text not null,
      revoked_at timestamptz not null,
      counts_until timestamptz not null,
      announced_in xid8 not null,
      primary key (kind, id)
    )`.execute(db);
  await sql`create index revocations_announced_in on identity.revocations (announced_in)`.execute(
    db,
  );
  await sql`grant select, delete on identity.revocations to user_service`.execute(db);
  // No security barrier: every row that counts is for every service to see, and the index must be reached through the view.
  await sql`create view shared.revocations as select kind, id, counts_until, announced_in from identity.revocations where counts_until > now()`.execute(
    db,
  );
  await sql`grant select on shared.revocations to user_service, file_service, audit_service`.execute(
    db,
  );

  // Which lifetimes of access tokens are in use: a setting of the replicas that issue them, which the triggers must know.
  await sql`
    create table identity.access_token_lifetimes (
      seconds integer primary key check (seconds between 1 and 86400),
      used_at timestamptz not null
    )`.execute(db);
  await sql`grant select, insert, update, delete on identity.access_token_lifetimes to user_service`.execute(
    db,
  );
  // Replicas from before this migration did not say theirs; a day is the most that the setting allows.
  await sql`insert into identity.access_token_lifetimes values (86400, now())`.execute(db);

  // Two days: a token of a lifetime that was given up yesterday may live another day. The minute is for a transaction that was under way and for clocks.
  await sql`
    create function identity.access_tokens_end() returns timestamptz
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      select clock_timestamp() + interval '1 minute' + coalesce(
        (select max(l.seconds) from identity.access_token_lifetimes l where l.used_at > clock_timestamp() - interval '2 days'), 86400) * interval '1 second'
    $$`.execute(db);
  await sql`
    create function identity.announce_revocation(of_kind text, of_id text, until timestamptz) returns void
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    declare lasts timestamptz;
    begin
      insert into identity.revocations as r (kind, id, revoked_at, counts_until, announced_in)
      values (of_kind, of_id, clock_timestamp(), until, pg_current_xact_id())
      on conflict (kind, id) do update
        set revoked_at = excluded.revoked_at, counts_until = greatest(r.counts_until, excluded.counts_until), announced_in = excluded.announced_in
      returning r.counts_until into lasts;
      -- Delivered at the commit and not before it; with a rollback, never.
      perform pg_notify('muniment_revocations', of_kind || ' ' || of_id || ' ' || ceil(extract(epoch from lasts))::bigint);
    end $$`.execute(db);

  await sql`
    create function identity.announce_session_end() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      perform identity.announce_revocation('session', old.id::text, identity.access_tokens_end());
      return null;
    end $$`.execute(db);
  await sql`
    create function identity.announce_user_change() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      perform identity.announce_revocation('user', old.id::text, identity.access_tokens_end());
      return null;
    end $$`.execute(db);
  await sql`
    create function identity.announce_key_end() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      perform identity.announce_revocation('key', old.kid, identity.access_tokens_end());
      return null;
    end $$`.execute(db);
  for (const name of [
    'announce_revocation(text, text, timestamptz)',
    'access_tokens_end()',
    'announce_session_end()',
    'announce_user_change()',
    'announce_key_end()',
  ]) {
    await sql`revoke execute on function ${sql.raw(`identity.${name}`)} from public`.execute(db);
  }

  // Triggers, so that no code path, no operator's statement and no cascade can end something and forget to say so.
  await sql`
    create trigger sessions_announce_end after update of revoked_at, expires_at, user_id on identity.sessions for each row
    when (old.revoked_at is null and (new.revoked_at is not null or new.expires_at <= now() or new.user_id <> old.user_id))
    execute function identity.announce_session_end()`.execute(db);
  await sql`
    create trigger sessions_announce_deletion after delete on identity.sessions for each row
    when (old.revoked_at is null and old.expires_at > now())
    execute function identity.announce_session_end()`.execute(db);
  await sql`
    create trigger users_announce_change after update of type, status, password_hash on identity.users for each row
    when (old.type <> new.type or old.status <> new.status or old.password_hash is distinct from new.password_hash)
    execute function identity.announce_user_change()`.execute(db);
  await sql`
    create trigger users_announce_deletion after delete on identity.users for each row
    execute function identity.announce_user_change()`.execute(db);
  await sql`
    create trigger signing_keys_announce_end after update of status on identity.signing_keys for each row
    when (new.status = 'compromised' and old.status <> 'compromised')
    execute function identity.announce_key_end()`.execute(db);
  await sql`
    create trigger signing_keys_announce_deletion after delete on identity.signing_keys for each row
    execute function identity.announce_key_end()`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop trigger sessions_announce_end on identity.sessions`.execute(db);
  await sql`drop trigger sessions_announce_deletion on identity.sessions`.execute(db);
  await sql`drop trigger users_announce_change on identity.users`.execute(db);
  await sql`drop trigger users_announce_deletion on identity.users`.execute(db);
  await sql`drop trigger signing_keys_announce_end on identity.signing_keys`.execute(db);
  await sql`drop trigger signing_keys_announce_deletion on identity.signing_keys`.execute(db);
  await sql`
    drop function identity.announce_session_end(), identity.announce_user_change(), identity.announce_key_end(),
      identity.announce_revocation(text, text, timestamptz), identity.access_tokens_end()`.execute(
    db,
  );
  await sql`drop view shared.revocations`.execute(db);
  await sql`drop table identity.revocations, identity.access_token_lifetimes`.execute(db);
}
