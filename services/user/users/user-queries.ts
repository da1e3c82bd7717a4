import { sql, type Kysely, type Transaction } from 'kysely';
import type { Principal, Role } from '@muniment/security';
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
  /** null: nobody can sign in, until they set one by mail. */
  password_hash: string | null;
  service?: boolean;
}

/** The user made, or undefined when another has the address: the unique key decides between parallel registrations. */
export async function insertUser(
  trx: Transaction<Tables>,
  user: NewUser,
): Promise<User | undefined> {
  return trx
    .insertInto('identity.users')
    .values(user)
    .onConflict((conflict) => conflict.constraint('users_email_key').doNothing())
    .returningAll()
    .executeTakeFirst();
}

/** By primary key; on the path of every profile read, hence one constant statement. */
export async function findUserById(db: Kysely<Tables>, id: string): Promise<User | undefined> {
  const { rows } = await sql<User>`
    select id, type, status, is_verified, name, first_name, last_name, email, email_key, password_hash, service, created, updated
    from identity.users where id = ${id}`.execute(db);
  return rows[0];
}

/** Never a service account: it has no mailbox, and nobody signs in to it. */
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

/**
 * Locks the user for the rest of the transaction if it is still as it was when its password was checked. Hashing takes long enough for
 * the password to change or the account to be suspended meanwhile; a session must not outlive either.
 * @param mode `share` where the row only must not change: else the sign-ins of one account would wait for each other's commits
 */
export async function lockUnchangedUser(
  trx: Transaction<Tables>,
  id: string,
  passwordHash: string,
  mode: 'share' | 'update',
): Promise<boolean> {
  const unchanged = trx
    .selectFrom('identity.users')
    .select('id')
    .where('id', '=', id)
    .where('password_hash', '=', passwordHash)
    .where('status', '=', 'active');
  const row = await (
    mode === 'share' ? unchanged.forShare() : unchanged.forUpdate()
  ).executeTakeFirst();
  return row !== undefined;
}

/** Locks a user who may sign in for the rest of the transaction. */
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

/** Gives the user an address that was confirmed. Rejects with a violation of `users_email_key` when somebody else has it. */
export async function setEmail(
  trx: Transaction<Tables>,
  id: string,
  address: Pick<User, 'email' | 'email_key'>,
): Promise<void> {
  await trx
    .updateTable('identity.users')
    .set({ ...address, is_verified: true, updated: sql<Date>`now()` })
    .where('id', '=', id)
    .execute();
}

export type ProfileChange = Partial<Pick<User, 'name' | 'first_name' | 'last_name'>>;

/** @returns undefined when the session or token by which the user changes it has ended */
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

export async function setPasswordHash(
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

export async function setUserType(trx: Transaction<Tables>, id: string, type: Role): Promise<void> {
  await trx
    .updateTable('identity.users')
    .set({ type, status: 'active', updated: sql<Date>`now()` })
    .where('id', '=', id)
    .execute();
}

/** Locks a user for the rest of the transaction. */
export async function lockUser(trx: Transaction<Tables>, id: string): Promise<User | undefined> {
  return trx
    .selectFrom('identity.users')
    .selectAll()
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst();
}

/** Changes a user whose row is locked. Rejects with the violation of `users_email_key` when another has the address. */
export async function changeUser(
  trx: Transaction<Tables>,
  id: string,
  change: Partial<Pick<User, 'name' | 'email' | 'email_key' | 'is_verified'>>,
): Promise<void> {
  await trx
    .updateTable('identity.users')
    .set({ ...change, updated: sql<Date>`now()` })
    .where('id', '=', id)
    .execute();
}

/** Deletes a user whose deletion is ordered already. @returns false when there is none */
export async function deleteErasedUser(trx: Transaction<Tables>, id: string): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom('identity.users')
    .where('id', '=', id)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Deletes the user with sessions, tokens and the answers that are kept for repeated requests, and leaves the order to the other services to do their part. */
export async function deleteUser(trx: Transaction<Tables>, id: string): Promise<void> {
  await trx.deleteFrom('identity.users').where('id', '=', id).execute();
  await deleteAnswersOfUser(trx, 'identity', id);
  await trx
    .insertInto('shared.erasures')
    .values({ user_id: id, identity_done: true })
    .onConflict((conflict) => conflict.column('user_id').doNothing())
    .execute();
}
