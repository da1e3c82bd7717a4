import { sql, type Kysely, type Transaction } from 'kysely';
import type { AppMetadata, Role } from '@muniment/security';
import type { Tables } from '../tables.ts';

/** Time in which a spent token answers a retry with the same child. */
export const RETRY_WINDOW_S = 10;

/** A refresh restarts the idle time, but not the absolute lifetime. */
const LASTS_UNTIL = sql<Date>`least(held.expires_at, clock_timestamp() + held.idle_timeout)`;

export interface RefreshedSession {
  session_id: string;
  user_id: string;
  role: Role;
  /** End of the session if unused; no token may outlive it. */
  lasts_until: Date;
  /** What its access tokens hold. */
  app_metadata: AppMetadata | null;
}

export interface Rotation {
  parentHash: Buffer;
  /** The child, sealed under its parent. */
  sealedChild: Buffer;
  childHash: Buffer;
  ttlSeconds: number;
}

/**
 * Spends a token and inserts its child in one statement, so one of parallel calls gets it. Sessions
 * are locked before tokens: in the other order, 24 of 150 account deletions deadlocked.
 */
export async function rotateRefreshToken(
  trx: Transaction<Tables>,
  { parentHash, sealedChild, childHash, ttlSeconds }: Rotation,
): Promise<RefreshedSession | undefined> {
  const { rows } = await sql<RefreshedSession>`
    with held as (
      select id, ${LASTS_UNTIL} as lasts_until from identity.sessions held
      where id = (select session_id from identity.refresh_tokens where token_hash = ${parentHash})
      for key share
    ), spent as (
      update identity.refresh_tokens t
      set spent_at = clock_timestamp(), sealed_child = ${sealedChild}, child_hash = ${childHash}
      from held join shared.live_sessions s on s.session_id = held.id
      where t.token_hash = ${parentHash} and t.session_id = held.id
        and t.spent_at is null and t.expires_at > now()
      returning s.session_id, s.user_id, s.role, s.app_metadata, held.lasts_until
    ), child as (
      insert into identity.refresh_tokens (token_hash, session_id, expires_at)
      select ${childHash}, session_id, now() + ${ttlSeconds} * interval '1 second' from spent
    )
    select session_id, user_id, role, app_metadata, lasts_until from spent`.execute(trx);
  return rows[0];
}

export interface SpentToken extends RefreshedSession {
  /** Present only within `RETRY_WINDOW_S`. */
  sealed_child: Buffer | null;
  /** Its answer has arrived, so the parent's return is no retry. */
  child_spent: boolean;
}

/** Finds a spent token whose session is live. */
export async function findSpentToken(
  db: Kysely<Tables>,
  tokenHash: Buffer,
): Promise<SpentToken | undefined> {
  const { rows } = await sql<SpentToken>`
    select s.session_id, s.user_id, s.role, s.app_metadata, ${LASTS_UNTIL} as lasts_until,
      case when t.spent_at > clock_timestamp() - ${RETRY_WINDOW_S} * interval '1 second'
        then t.sealed_child end as sealed_child,
      child.spent_at is not null as child_spent
    from identity.refresh_tokens t
      join shared.live_sessions s on s.session_id = t.session_id
      join identity.sessions held on held.id = t.session_id
      left join identity.refresh_tokens child on child.token_hash = t.child_hash
    where t.token_hash = ${tokenHash} and t.spent_at is not null`.execute(db);
  return rows[0];
}

/** Whether any token of a session was spent, so the answer that opened it has arrived. */
export async function isSessionRefreshed(db: Kysely<Tables>, sessionId: string): Promise<boolean> {
  const spent = await db
    .selectFrom('identity.refresh_tokens')
    .select('session_id')
    .where('session_id', '=', sessionId)
    .where('spent_at', 'is not', null)
    .limit(1)
    .executeTakeFirst();
  return spent !== undefined;
}

/** Finds the owner of a token, valid or not. */
export async function findTokenOwner(
  db: Kysely<Tables>,
  tokenHash: Buffer,
): Promise<Pick<RefreshedSession, 'session_id' | 'user_id'> | undefined> {
  return db
    .selectFrom('identity.refresh_tokens')
    .innerJoin('identity.sessions', 'identity.sessions.id', 'identity.refresh_tokens.session_id')
    .select(['session_id', 'user_id'])
    .where('token_hash', '=', tokenHash)
    .executeTakeFirst();
}

/** Wipes sealed children that are too old for a retry. */
export async function wipeSealedChildren(db: Kysely<Tables>): Promise<void> {
  await sql`
    update identity.refresh_tokens set sealed_child = null
    where sealed_child is not null
      and spent_at < clock_timestamp() - ${RETRY_WINDOW_S} * interval '1 second'`.execute(db);
}

/** Deletes expired tokens. Spent ones stay until then, to show thefts. */
export async function deleteExpiredRefreshTokens(db: Kysely<Tables>): Promise<void> {
  await sql`
    delete from identity.refresh_tokens
    where expires_at < now() - interval '1 day'`.execute(db);
}
