import { sql, type Kysely } from 'kysely';

const STATEMENTS = [
  // A column of its own: replicas of the version before check `password_hash`, could not read a hash
  // of another form, and so answer as for a user without a password.
  'alter table identity.users add column foreign_hash text',
  // What replaces or voids a password voids the old one, also by a replica of the version before.
  `create function identity.void_foreign_hash() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$
    begin
      new.foreign_hash := null;
      return new;
    end $$`,
  'revoke execute on function identity.void_foreign_hash() from public',
  `create trigger users_void_foreign_hash before update of password_hash on identity.users
    for each row when (old.foreign_hash is not null)
    execute function identity.void_foreign_hash()`,
  // How long failed logins take follows from the costs of the hashes that exist.
  `create table identity.foreign_hash_costs (
    cost_class text primary key,
    decoy text not null,
    created timestamptz not null default now(),
    imported timestamptz not null default now()
  )`,
  `create table identity.signer_keys (
    id text primary key,
    wrapped_key bytea not null,
    imported timestamptz not null default now()
  )`,
  `grant select, insert, update, delete on identity.foreign_hash_costs, identity.signer_keys
    to user_service`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table identity.foreign_hash_costs, identity.signer_keys`.execute(db);
  await sql`drop trigger users_void_foreign_hash on identity.users`.execute(db);
  await sql`drop function identity.void_foreign_hash()`.execute(db);
  await sql`alter table identity.users drop column foreign_hash`.execute(db);
}
