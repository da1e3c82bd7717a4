import { sql, type Kysely } from 'kysely';

const LIVE_SESSIONS = `
  select s.id as session_id, u.id as user_id, u.type as role, u.status
  from identity.sessions s join identity.users u on u.id = s.user_id
  where s.revoked_at is null and s.expires_at > clock_timestamp()`;

export async function up(db: Kysely<unknown>): Promise<void> {
  // Kept with the session, so that the view can enforce it. With a default, for replicas of the version before that run while this is applied. Sessions that are open at this moment begin their idle time now.
  await sql`alter table identity.sessions add column idle_timeout interval not null default interval '14 days'`.execute(
    db,
  );
  await sql`update identity.sessions set last_seen = now() where revoked_at is null`.execute(db);
  // `last_seen` is in no index, so with room left on its page an update of it writes no index either.
  await sql`alter table identity.sessions set (fillfactor = 80)`.execute(db);
  await sql`
    create or replace view shared.live_sessions with (security_barrier) as
      ${sql.raw(LIVE_SESSIONS)} and s.last_seen + s.idle_timeout > clock_timestamp() and u.status = 'active'`.execute(
    db,
  );
  // How every service says which sessions it has seen used: how long ago, since clocks differ. It moves `last_seen` forward only, never past now, and
  // wakes no session that was dead when it was seen. Rows that another statement holds are being seen or ended by it: waiting for them could deadlock.
  await sql`
    create function shared.touch_sessions(session_ids uuid[], seconds_ago double precision[]) returns integer
    language sql security definer set search_path = pg_catalog, pg_temp as $$
      with seen as (
        select session_id, clock_timestamp() - greatest(min(ago), 0) * interval '1 second' as at
        from unnest(session_ids, seconds_ago) as given (session_id, ago) group by session_id
      ), held as (
        select s.id, seen.at from identity.sessions s join seen on seen.session_id = s.id
        where s.revoked_at is null and seen.at > s.last_seen and s.last_seen + s.idle_timeout > seen.at
        for no key update of s skip locked
      ), touched as (
        update identity.sessions s set last_seen = held.at from held where s.id = held.id returning 1
      )
      select count(*)::integer from touched
    $$`.execute(db);
  await sql`revoke execute on function shared.touch_sessions(uuid[], double precision[]) from public`.execute(
    db,
  );
  await sql`grant execute on function shared.touch_sessions(uuid[], double precision[]) to user_service, file_service, audit_service`.execute(
    db,
  );
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop function shared.touch_sessions(uuid[], double precision[])`.execute(db);
  await sql`create or replace view shared.live_sessions with (security_barrier) as ${sql.raw(LIVE_SESSIONS)} and u.status = 'active'`.execute(
    db,
  );
  await sql`alter table identity.sessions reset (fillfactor)`.execute(db);
  await sql`alter table identity.sessions drop column idle_timeout`.execute(db);
}
