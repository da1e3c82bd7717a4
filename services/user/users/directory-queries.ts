import { sql, type Kysely, type Transaction } from 'kysely';
import type { Tables, User } from '../tables.ts';
import type { DirectoryUser } from './directory-resource.ts';

/** The columns of a user in a list. */
export const listColumns = sql`id, type, status, email, name, first_name, last_name, phone, phone_valid,
  post_code, country, country_code, city, aws_cognito_id, external_id, is_verified, verified_at,
  email_verified_at, phone_verified_at, is_profile_updated, is_profile_reverified,
  profile_reverified_at, last_active_on::text, created_by, updated_by, created, updated`;

/** Up to 16 KiB a user, so lists read them only where asked for. */
export const metadataColumns = sql`user_metadata, app_metadata`;

/** Finds people by id, in no order. */
export async function findDirectoryUsers(
  db: Kysely<Tables>,
  ids: readonly string[],
): Promise<DirectoryUser[]> {
  const { rows } = await sql<DirectoryUser>`
    select ${listColumns} from identity.users
    where id = any(${ids}::uuid[]) and not service`.execute(db);
  return rows;
}

/** Lists people behind an id, by id. */
export async function findPeopleAfter(
  db: Kysely<Tables>,
  id: string,
  limit: number,
): Promise<DirectoryUser[]> {
  const { rows } = await sql<DirectoryUser>`
    select ${listColumns} from identity.users
    where id > ${id}::uuid and not service order by id limit ${limit}`.execute(db);
  return rows;
}

/** Finds a person with metadata; never a service account. */
export async function findDirectoryUser(
  db: Kysely<Tables>,
  id: string,
): Promise<DirectoryUser | undefined> {
  const { rows } = await sql<DirectoryUser>`
    select ${listColumns}, ${metadataColumns} from identity.users
    where id = ${id} and not service`.execute(db);
  return rows[0];
}

export type DirectoryChange = Partial<
  Pick<
    User,
    | 'type'
    | 'status'
    | 'name'
    | 'first_name'
    | 'last_name'
    | 'email'
    | 'email_key'
    | 'email_verified_at'
    | 'phone'
    | 'phone_valid'
    | 'phone_verified_at'
    | 'post_code'
    | 'country'
    | 'country_code'
    | 'app_metadata'
    | 'city'
    | 'external_id'
    | 'aws_cognito_id'
    | 'is_profile_updated'
    | 'is_profile_reverified'
    | 'profile_reverified_at'
  >
>;

/** Changes a locked user. Violates a unique index where another has the value. */
export async function updateDirectoryUser(
  trx: Transaction<Tables>,
  id: string,
  { change, actorId }: { change: DirectoryChange; actorId: string },
): Promise<void> {
  await trx
    .updateTable('identity.users')
    .set({ ...change, updated_by: actorId, updated: sql<Date>`now()` })
    .where('id', '=', id)
    .execute();
}

/** How much a deletion ends or removes at once. */
export interface OwnedRows {
  sessions: number;
  api_tokens: number;
  unsent_mails: number;
}

export async function countOwnedRows(db: Kysely<Tables>, id: string): Promise<OwnedRows> {
  const { rows } = await sql<OwnedRows>`
    select
      (select count(*)::integer from identity.sessions
        where user_id = ${id} and revoked_at is null and expires_at > clock_timestamp()
          and last_seen + idle_timeout > clock_timestamp()) as sessions,
      (select count(*)::integer from identity.api_tokens
        where user_id = ${id} and revoked_at is null and expires_at > clock_timestamp())
        as api_tokens,
      (select count(*)::integer from identity.mail_outbox
        where user_id = ${id} and status = 'waiting') as unsent_mails`.execute(db);
  return rows[0] ?? { sessions: 0, api_tokens: 0, unsent_mails: 0 };
}
