import { sql, type Kysely, type Transaction } from 'kysely';
import type { Tables, User } from '../tables.ts';
import type { ImportedUser } from './rows/read-user.ts';

/** A user with the id that it has in the file, or got. */
export type InsertableUser = Omit<ImportedUser, 'hashCost'> & { id: string };

/**
 * Inserts users in one statement, but for those of whom anything unique is taken. Privileged ones
 * become customers, whom `grantRole` raises.
 * @returns the ids of the inserted ones
 */
export async function insertImported(
  trx: Transaction<Tables>,
  users: readonly InsertableUser[],
  createdBy: string,
): Promise<Set<string>> {
  const { rows } = await sql<{ id: string }>`
    insert into identity.users (id, external_id, aws_cognito_id, type, status, email, email_key,
      email_verified_at, phone, phone_valid, phone_verified_at, verified_at, name, first_name,
      last_name, post_code, country, country_code, city, is_profile_updated, is_profile_reverified,
      profile_reverified_at, foreign_hash, created, created_by)
    select id, external_id, aws_cognito_id,
      case when type = 'vendor' then 'vendor' else 'customer' end, status, email, email_key,
      email_verified_at, phone, phone_valid, phone_verified_at, verified_at, name, first_name,
      last_name, post_code, country, country_code, city, is_profile_updated, is_profile_reverified,
      profile_reverified_at, foreign_hash, coalesce(created, now()), ${createdBy}::uuid
    from jsonb_to_recordset(${JSON.stringify(users)}::jsonb) as r (id uuid, external_id text,
      aws_cognito_id text, type text, status text, email text, email_key text,
      email_verified_at timestamptz, phone text, phone_valid boolean,
      phone_verified_at timestamptz, verified_at timestamptz, name text, first_name text,
      last_name text, post_code text, country text, country_code text, city text, is_profile_updated boolean,
      is_profile_reverified boolean, profile_reverified_at timestamptz, foreign_hash text,
      created timestamptz)
    on conflict do nothing
    returning id`.execute(trx);
  return new Set(rows.map(({ id }) => id));
}

/** A user who has something that must be unique. */
export type Holder = Pick<
  User,
  'id' | 'email_key' | 'external_id' | 'aws_cognito_id' | 'phone' | 'phone_verified_at'
>;

/** Finds the users who have an id, an address or a proved number of these. */
export async function findHolders(
  db: Kysely<Tables>,
  users: readonly InsertableUser[],
): Promise<Holder[]> {
  const given = (name: 'external_id' | 'aws_cognito_id'): string[] =>
    users.flatMap((user) => user[name] ?? []);
  const phones = users.flatMap(({ phone, phone_verified_at: at }) => (at && phone) ?? []);
  const { rows } = await sql<Holder>`
    select id, email_key, external_id, aws_cognito_id, phone, phone_verified_at
    from identity.users
    where id = any(${users.map(({ id }) => id)}::uuid[])
      or email_key = any(${users.map((user) => user.email_key)}::text[])
      or external_id = any(${given('external_id')}::text[])
      or aws_cognito_id = any(${given('aws_cognito_id')}::text[])
      or (phone = any(${phones}::text[]) and phone_verified_at is not null)`.execute(db);
  return rows;
}
