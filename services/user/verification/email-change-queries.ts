import { sql, type Kysely, type Transaction } from 'kysely';
import type { Tables } from '../tables.ts';

export interface EmailChange {
  user_id: string;
  email: string;
  email_key: string;
}

/** Replaces a locked user's pending change and its unsent mail. */
export async function replaceEmailChange(
  trx: Transaction<Tables>,
  change: EmailChange & { token_hash: Buffer },
  ttlSeconds: number,
): Promise<void> {
  const { user_id, token_hash, email, email_key } = change;
  await deleteEmailChange(trx, user_id);
  await sql`
    insert into identity.email_changes (user_id, token_hash, email, email_key, expires_at)
    values (${user_id}, ${token_hash}, ${email}, ${email_key},
      now() + ${ttlSeconds} * interval '1 second')`.execute(trx);
}

export async function deleteEmailChange(trx: Transaction<Tables>, userId: string): Promise<void> {
  await trx.deleteFrom('identity.email_changes').where('user_id', '=', userId).execute();
}

/** Finds the change that a valid token confirms. */
export async function findEmailChange(
  db: Kysely<Tables>,
  tokenHash: Buffer,
): Promise<EmailChange | undefined> {
  return db
    .selectFrom('identity.email_changes')
    .select(['user_id', 'email', 'email_key'])
    .where('token_hash', '=', tokenHash)
    .where('expires_at', '>', sql<Date>`clock_timestamp()`)
    .executeTakeFirst();
}

/** Consumes a valid token. Of parallel calls exactly one gets true. */
export async function consumeEmailChange(
  trx: Transaction<Tables>,
  tokenHash: Buffer,
): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom('identity.email_changes')
    .where('token_hash', '=', tokenHash)
    .where('expires_at', '>', sql<Date>`clock_timestamp()`)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Restarts a token's lifetime when its mail is sent. @returns false for a void token */
export async function restartEmailChange(
  db: Kysely<Tables>,
  tokenHash: Buffer,
  ttlSeconds: number,
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update identity.email_changes
    set expires_at = clock_timestamp() + ${ttlSeconds} * interval '1 second'
    where token_hash = ${tokenHash}`.execute(db);
  return numAffectedRows === 1n;
}

/** Deletes expired changes. Unsent ones stay: their lifetime has not begun. */
export async function deleteExpiredEmailChanges(db: Kysely<Tables>): Promise<void> {
  await sql`
    delete from identity.email_changes c where expires_at < now() - interval '1 hour'
      and not exists (select from identity.mail_outbox m
        where m.email_change = c.token_hash and m.status = 'waiting')`.execute(db);
}
