import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // What a change of status has ended, until its event is recorded. Without a reference to the user:
  // the event is due even if the account is deleted next.
  await sql`
    create table identity.status_changes (
      id bigint generated always as identity primary key,
      user_id uuid not null,
      previous text not null,
      status text not null,
      sessions_ended integer not null,
      api_tokens_revoked integer not null,
      changed_in xid8 not null default pg_current_xact_id(),
      changed_at timestamptz not null default clock_timestamp()
    )`.execute(db);
  await sql`create index status_changes_user on identity.status_changes (user_id)`.execute(db);
  await sql`grant select, delete on identity.status_changes to user_service`.execute(db);
  // A trigger, so that no code path and no operator's statement leaves access to come back to.
  await sql`
    create function identity.end_access_of_user() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    declare
      sessions integer := 0;
      tokens integer := 0;
    begin
      if new.status <> 'active' then
        update identity.sessions s set revoked_at = now(), revoked_reason = 'account_' || new.status
        where s.user_id = new.id and s.revoked_at is null and s.expires_at > clock_timestamp()
          and s.last_seen + s.idle_timeout > clock_timestamp();
        get diagnostics sessions = row_count;
        update identity.api_tokens t set revoked_at = now()
        where t.user_id = new.id and t.revoked_at is null and t.expires_at > clock_timestamp();
        get diagnostics tokens = row_count;
      end if;
      insert into identity.status_changes (user_id, previous, status, sessions_ended, api_tokens_revoked)
      values (new.id, old.status, new.status, sessions, tokens);
      return null;
    end $$`.execute(db);
  await sql`revoke execute on function identity.end_access_of_user() from public`.execute(db);
  await sql`
    create trigger users_end_access after update of status on identity.users for each row
    when (old.status <> new.status)
    execute function identity.end_access_of_user()`.execute(db);
  // Accounts that were suspended before: nothing of theirs may come back either.
  await sql`
    update identity.sessions s set revoked_at = now(), revoked_reason = 'account_' || u.status
    from identity.users u where u.id = s.user_id and u.status <> 'active' and s.revoked_at is null`.execute(
    db,
  );
  await sql`
    update identity.api_tokens t set revoked_at = now()
    from identity.users u where u.id = t.user_id and u.status <> 'active' and t.revoked_at is null`.execute(
    db,
  );
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop trigger users_end_access on identity.users`.execute(db);
  await sql`drop function identity.end_access_of_user()`.execute(db);
  await sql`drop table identity.status_changes`.execute(db);
}
