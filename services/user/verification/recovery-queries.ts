import { sql, type Kysely, type Transaction } from 'kysely';
import type { Tables, User } from '../tables.ts';

export async function insertRecoveryRequest(
  trx: Transaction<Tables>,
  id: string,
  wrappedRequest: Buffer,
): Promise<void> {
  await trx
    .insertInto('identity.recovery_requests')
    .values({ id, wrapped_request: wrappedRequest })
    .execute();
}

export interface RecoveryRequestRow {
  id: string;
  wrapped_request: Buffer;
}

/** Claims due requests for `leaseMs`, except those of other replicas. */
export async function claimDueRequests(
  db: Kysely<Tables>,
  limit: number,
  leaseMs: number,
): Promise<RecoveryRequestRow[]> {
  const { rows } = await sql<RecoveryRequestRow>`
    update identity.recovery_requests r
    set next_attempt = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    from (
      select id from identity.recovery_requests where next_attempt <= clock_timestamp()
      order by next_attempt limit ${limit} for update skip locked
    ) due
    where r.id = due.id
    returning r.id, r.wrapped_request`.execute(db);
  return rows;
}

/** @returns false when another replica has processed it */
export async function deleteRecoveryRequest(db: Kysely<Tables>, id: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('identity.recovery_requests')
    .where('id', '=', id)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Locks an active account that may get a password by mail. */
export async function lockRecoverableUser(
  trx: Transaction<Tables>,
  id: string,
): Promise<User | undefined> {
  return trx
    .selectFrom('identity.users')
    .selectAll()
    .where('id', '=', id)
    .where('status', '=', 'active')
    .where('service', '=', false)
    .forUpdate()
    .executeTakeFirst();
}

/** Adds a token to those of a locked user. They live side by side until one is used. */
export async function insertResetToken(
  trx: Transaction<Tables>,
  userId: string,
  { tokenHash, ttlSeconds }: { tokenHash: Buffer; ttlSeconds: number },
): Promise<void> {
  await sql`
    insert into identity.reset_tokens (user_id, token_hash, expires_at)
    values (${userId}, ${tokenHash}, now() + ${ttlSeconds} * interval '1 second')`.execute(trx);
}

/** Voids all of a locked user's tokens and their unsent mails. */
export async function deleteResetTokens(trx: Transaction<Tables>, userId: string): Promise<void> {
  await trx.deleteFrom('identity.reset_tokens').where('user_id', '=', userId).execute();
}

/** Finds the user whose password a valid token may set. */
export async function findUserOfResetToken(
  db: Kysely<Tables>,
  tokenHash: Buffer,
): Promise<User | undefined> {
  return db
    .selectFrom('identity.users')
    .selectAll('identity.users')
    .innerJoin('identity.reset_tokens', 'identity.reset_tokens.user_id', 'identity.users.id')
    .where('token_hash', '=', tokenHash)
    .where('expires_at', '>', sql<Date>`clock_timestamp()`)
    .where('status', '=', 'active')
    .where('service', '=', false)
    .executeTakeFirst();
}

/** Consumes a valid token. Of parallel calls exactly one gets true. */
export async function consumeResetToken(
  trx: Transaction<Tables>,
  tokenHash: Buffer,
): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom('identity.reset_tokens')
    .where('token_hash', '=', tokenHash)
    .where('expires_at', '>', sql<Date>`clock_timestamp()`)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Restarts a token's lifetime when its mail is sent. @returns false for a void token */
export async function restartResetToken(
  db: Kysely<Tables>,
  tokenHash: Buffer,
  ttlSeconds: number,
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update identity.reset_tokens
    set expires_at = clock_timestamp() + ${ttlSeconds} * interval '1 second'
    where token_hash = ${tokenHash}`.execute(db);
  return numAffectedRows === 1n;
}

/** Deletes old requests and tokens. Unsent tokens stay: their lifetime has not begun. */
export async function deleteExpiredRecoveries(db: Kysely<Tables>): Promise<void> {
  await sql`
    delete from identity.recovery_requests where created < now() - interval '1 day'`.execute(db);
  await sql`
    delete from identity.reset_tokens t where expires_at < now() - interval '1 hour'
      and not exists (select from identity.mail_outbox m
        where m.reset_token = t.token_hash and m.status = 'waiting')`.execute(db);
}
