import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table identity.users drop constraint users_type_check`.execute(db);
  // Not valid, so no scan under the lock, and for good: every older row met the narrower condition.
  await sql`
    alter table identity.users add constraint users_type_check
    check (type in ('customer', 'vendor', 'admin', 'auditor')) not valid`.execute(db);
  // A trigger, so that no code path and no operator's statement leaves a fleet without administrator.
  // It runs after the statement, which may have removed several at once.
  await sql`
    create function identity.require_administrator() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      -- One removal at a time: of two, each would still see the other's administrator. The next
      -- query has a snapshot of its own, taken after the other's commit.
      perform pg_advisory_xact_lock(hashtextextended('identity.require_administrator', 0));
      if not exists (
        select from identity.users u where u.type = 'admin' and u.status = 'active' and not u.service
      ) then
        raise exception 'the last active administrator must stay' using
          errcode = 'restrict_violation', schema = 'identity', table = 'users',
          constraint = tg_name, detail = old.id, hint = 'Make another administrator first.';
      end if;
      return null;
    end $$`.execute(db);
  await sql`revoke execute on function identity.require_administrator() from public`.execute(db);
  const WAS_ADMINISTRATOR = sql`old.type = 'admin' and old.status = 'active' and not old.service`;
  await sql`
    create trigger administrator_updated after update of type, status, service on identity.users
    for each row when (
      ${WAS_ADMINISTRATOR} and (new.type <> 'admin' or new.status <> 'active' or new.service))
    execute function identity.require_administrator()`.execute(db);
  await sql`
    create trigger administrator_deleted after delete on identity.users
    for each row when (${WAS_ADMINISTRATOR})
    execute function identity.require_administrator()`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop trigger administrator_deleted on identity.users`.execute(db);
  await sql`drop trigger administrator_updated on identity.users`.execute(db);
  await sql`drop function identity.require_administrator()`.execute(db);
  await sql`update identity.users set type = 'customer' where type = 'auditor'`.execute(db);
  await sql`alter table identity.users drop constraint users_type_check`.execute(db);
  await sql`
    alter table identity.users add constraint users_type_check
    check (type in ('customer', 'vendor', 'admin'))`.execute(db);
}
