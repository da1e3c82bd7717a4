import { sql, type Kysely, type Transaction } from 'kysely';
import type { Principal, PrivilegedRole, Role } from '@muniment/security';
import { deleteAnswersOfUser } from '@muniment/server';
import type { Tables, User } from '../tables.ts';
import { callerIsLive } from './caller-queries.ts';

export interface NewUser {
  id: string;
  type: Role;
  name: string | null;
  first_name: string | null;
  last_name: string | null;
  email: string;
  email_key: string;
  /** null: nobody can log in until a password is set by mail. */
  password_hash: string | null;
  service?: boolean;
}

/** What only the directory sets of a new user. */
export type NewUserDetails = Partial<
  Pick<
    User,
    | 'phone'
    | 'phone_valid'
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
    | 'created_by'
  >
>;

/** Undefined when the address is taken; the unique key decides. */
export async function insertUser(
  trx: Transaction<Tables>,
  user: NewUser & NewUserDetails,
): Promise<User | undefined> {
  return trx
    .insertInto('identity.users')
    .values(user)
    .onConflict((conflict) => conflict.constraint('users_email_key').doNothing())
    .returningAll()
    .executeTakeFirst();
}

/** What an account shows its owner, and what its changes compare. */
export type AccountRow = Pick<
  User,
  | 'id'
  | 'type'
  | 'status'
  | 'is_verified'
  | 'email_verified_at'
  | 'phone_verified_at'
  | 'name'
  | 'first_name'
  | 'last_name'
  | 'email'
  | 'email_key'
  | 'phone'
  | 'post_code'
  | 'country'
  | 'city'
  | 'user_metadata'
  | 'password_hash'
  | 'foreign_hash'
  | 'password_epoch'
  | 'service'
  | 'created'
  | 'updated'
>;

/** A constant statement, since each read of a profile executes it. */
export async function findUsersById(
  db: Kysely<Tables>,
  ids: readonly string[],
): Promise<AccountRow[]> {
  const { rows } = await sql<AccountRow>`
    select id, type, status, is_verified, email_verified_at, phone_verified_at, name, first_name,
      last_name, email, email_key, phone, post_code, country, city, user_metadata, password_hash,
      foreign_hash, password_epoch, service, created, updated
    from identity.users where id = any(${ids}::uuid[])`.execute(db);
  return rows;
}

/** Finds the accounts of devices, each with what its device tokens are compared with. */
export async function findDeviceUsers(
  db: Kysely<Tables>,
  ids: readonly string[],
): Promise<Pick<User, 'id' | 'email_key' | 'password_epoch'>[]> {
  return db
    .selectFrom('identity.users')
    .select(['id', 'email_key', 'password_epoch'])
    .where('id', 'in', ids)
    .execute();
}

/** Never a service account, which has no mailbox. */
export async function findUserByEmailKey(
  db: Kysely<Tables>,
  emailKey: string,
): Promise<User | undefined> {
  return db
    .selectFrom('identity.users')
    .selectAll()
    .where('email_key', '=', emailKey)
    .where('service', '=', false)
    .executeTakeFirst();
}

/** Locks the user of an address until the transaction ends; never a service account. */
export async function lockUserByEmailKey(
  trx: Transaction<Tables>,
  emailKey: string,
): Promise<User | undefined> {
  return trx
    .selectFrom('identity.users')
    .selectAll()
    .where('email_key', '=', emailKey)
    .where('service', '=', false)
    .forUpdate()
    .executeTakeFirst();
}

export interface UnchangedUserLock {
  /** The hash that the password was checked against. */
  passwordHash: string;
  /** `share` lets logins commit in parallel; for unchanged rows only. */
  mode: 'share' | 'update';
}

/** Locks an active user whose password is still the checked one. */
export async function lockUnchangedUser(
  trx: Transaction<Tables>,
  id: string,
  { passwordHash, mode }: UnchangedUserLock,
): Promise<boolean> {
  const unchanged = trx
    .selectFrom('identity.users')
    .select('id')
    .where('id', '=', id)
    .where(sql`coalesce(password_hash, foreign_hash)`, '=', passwordHash)
    .where('status', '=', 'active');
  const row = await (
    mode === 'share' ? unchanged.forShare() : unchanged.forUpdate()
  ).executeTakeFirst();
  return row !== undefined;
}

/** Locks an active user until the transaction ends. */
export async function lockActiveUser(
  trx: Transaction<Tables>,
  id: string,
): Promise<User | undefined> {
  return trx
    .selectFrom('identity.users')
    .selectAll()
    .where('id', '=', id)
    .where('status', '=', 'active')
    .forUpdate()
    .executeTakeFirst();
}

/** Locks a user of any status until the transaction ends. */
export async function lockUser(trx: Transaction<Tables>, id: string): Promise<User | undefined> {
  return trx
    .selectFrom('identity.users')
    .selectAll()
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst();
}

/** Sets a confirmed address. Violates `users_email_key` when another user has it. */
export async function updateEmail(
  trx: Transaction<Tables>,
  id: string,
  address: Pick<User, 'email' | 'email_key'>,
): Promise<void> {
  await trx
    .updateTable('identity.users')
    .set({ ...address, email_verified_at: sql<Date>`now()`, updated: sql<Date>`now()` })
    .where('id', '=', id)
    .execute();
}

export type ProfileChange = Partial<
  Pick<User, 'name' | 'first_name' | 'last_name' | 'user_metadata'>
>;

/** Undefined when the caller's session or API token has ended. */
export async function updateProfile(
  trx: Transaction<Tables>,
  caller: Principal,
  change: ProfileChange,
): Promise<User | undefined> {
  return trx
    .updateTable('identity.users')
    .set({ ...change, updated: sql<Date>`now()` })
    .where('id', '=', caller.id)
    .where(callerIsLive(caller))
    .returningAll()
    .executeTakeFirst();
}

/** Stores a stronger hash of the same password. */
export async function updateRehashed(
  trx: Transaction<Tables>,
  id: string,
  passwordHash: string,
): Promise<void> {
  await trx
    .updateTable('identity.users')
    .set({ password_hash: passwordHash, updated: sql<Date>`now()` })
    .where('id', '=', id)
    .execute();
}

/**
 * Sets or voids the password of a locked user. Devices that knew the account by the former one
 * become unknown.
 */
export async function updatePassword(
  trx: Transaction<Tables>,
  id: string,
  change: { passwordHash: string | null; provedAddress?: boolean },
): Promise<User> {
  const { passwordHash, provedAddress = false } = change;
  return trx
    .updateTable('identity.users')
    .set({
      password_hash: passwordHash,
      password_epoch: sql<number>`password_epoch + 1`,
      ...(provedAddress && { email_verified_at: sql<Date>`coalesce(email_verified_at, now())` }),
      updated: sql<Date>`now()`,
    })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Makes a user an active administrator or auditor. Only `grantRole` may call it. */
export async function updateUserToPrivileged(
  trx: Transaction<Tables>,
  id: string,
  type: PrivilegedRole,
): Promise<void> {
  await trx
    .updateTable('identity.users')
    .set({ type, status: 'active', updated: sql<Date>`now()` })
    .where('id', '=', id)
    .execute();
}

/** Deletes a user whose erasure is ordered. @returns false for none */
export async function deleteErasedUser(trx: Transaction<Tables>, id: string): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom('identity.users')
    .where('id', '=', id)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Deletes a user and orders the erasure in the other services. */
export async function deleteUser(trx: Transaction<Tables>, id: string): Promise<void> {
  await trx.deleteFrom('identity.users').where('id', '=', id).execute();
  await deleteAnswersOfUser(trx, 'identity', id);
  await trx
    .insertInto('shared.erasures')
    .values({ user_id: id, identity_done: true })
    .onConflict((conflict) => conflict.column('user_id').doNothing())
    .execute();
}
