import { sql, type Kysely, type Transaction } from 'kysely';
import type { Role } from '@muniment/security';
import type { Tables } from '../tables.ts';

/** How long a spent token still answers an identical retry with the child it already got (DESIGN §5). */
export const RETRY_WINDOW_S = 10;

export interface RefreshedSession {
  session_id: string;
  user_id: string;
  role: Role;
}

export async function insertRefreshToken(trx: Transaction<Tables>, tokenHash: Buffer, sessionId: string, ttlSeconds: number): Promise<void> {
  await sql`
    insert into identity.refresh_tokens (token_hash, session_id, expires_at)
    values (${tokenHash}, ${sessionId}, now() + ${ttlSeconds} * interval '1 second')`.execute(trx);
}

/**
 * Locks the token's session before the token itself: a deletion of the account goes from the session to its tokens, and two who lock in
 * opposite orders end each other (24 of 150 deletions beside a refreshing client answered 500).
 */
export async function lockSessionOfToken(trx: Transaction<Tables>, tokenHash: Buffer): Promise<void> {
  await sql`
    select 1 from identity.sessions where id = (select session_id from identity.refresh_tokens where token_hash = ${tokenHash})
    for key share`.execute(trx);
}

/**
 * Spends a token whose session lives, keeping its sealed child. Of any number of parallel calls exactly one gets the session back: the
 * row's lock makes the others wait, and then they find it spent.
 */
export async function spendRefreshToken(trx: Transaction<Tables>, tokenHash: Buffer, sealedChild: Buffer): Promise<RefreshedSession | undefined> {
  const { rows } = await sql<RefreshedSession>`
    update identity.refresh_tokens t set spent_at = clock_timestamp(), sealed_child = ${sealedChild}
    from shared.live_sessions s
    where t.token_hash = ${tokenHash} and t.spent_at is null and t.expires_at > now() and s.session_id = t.session_id
    returning s.session_id, s.user_id, s.role`.execute(trx);
  return rows[0];
}

export interface SpentToken extends RefreshedSession {
  /** Present only while an identical retry is answered. */
  sealed_child: Buffer | null;
}

/** A spent token whose session still lives. */
export async function findSpentToken(db: Kysely<Tables>, tokenHash: Buffer): Promise<SpentToken | undefined> {
  const { rows } = await sql<SpentToken>`
    select s.session_id, s.user_id, s.role,
      case when t.spent_at > clock_timestamp() - ${RETRY_WINDOW_S} * interval '1 second' then t.sealed_child end as sealed_child
    from identity.refresh_tokens t join shared.live_sessions s on s.session_id = t.session_id
    where t.token_hash = ${tokenHash} and t.spent_at is not null`.execute(db);
  return rows[0];
}

/** Wipes the sealed children that no retry may have any more. */
export async function wipeSealedChildren(db: Kysely<Tables>): Promise<void> {
  await sql`
    update identity.refresh_tokens set sealed_child = null
    where sealed_child is not null and spent_at < clock_timestamp() - ${RETRY_WINDOW_S} * interval '1 second'`.execute(db);
}

/** Forgets tokens that nobody can use any more; a spent one stays while it could still show a theft. */
export async function forgetOldTokens(db: Kysely<Tables>): Promise<void> {
  await sql`delete from identity.refresh_tokens where expires_at < now() - interval '1 day'`.execute(db);
}
