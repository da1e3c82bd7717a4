import { sql, type Kysely, type Transaction } from 'kysely';
import { ownedBy } from '@muniment/database';
import type { AppMetadata, SessionPrincipal } from '@muniment/security';
import type { Session, Tables } from '../tables.ts';

export interface NewSession {
  id: string;
  user_id: string;
  ip: string;
  user_agent: string | null;
  idle_seconds: number;
  expires_at: Date;
  refresh_token: { hash: Buffer; ttlSeconds: number };
}

/**
 * Inserts a session with its first refresh token: one statement, since each login executes it.
 * @returns the app_metadata of its access token
 */
export async function insertSession(
  trx: Transaction<Tables>,
  { refresh_token: token, ...session }: NewSession,
): Promise<AppMetadata | null> {
  const { rows } = await sql<{ app_metadata: AppMetadata | null }>`
    with opened as (
      insert into identity.sessions (id, user_id, ip, user_agent, idle_timeout, expires_at)
      values (${session.id}, ${session.user_id}, ${session.ip}, ${session.user_agent},
        ${session.idle_seconds} * interval '1 second', ${session.expires_at})
      returning id, user_id), spendable as (
      insert into identity.refresh_tokens (token_hash, session_id, expires_at)
      select ${token.hash}, id, now() + ${token.ttlSeconds} * interval '1 second' from opened)
    select t.app_metadata
    from opened join identity.token_metadata t on t.user_id = opened.user_id`.execute(trx);
  return rows[0]?.app_metadata ?? null;
}

const LIVE = sql<boolean>`revoked_at is null and expires_at > clock_timestamp()
  and last_seen + idle_timeout > clock_timestamp()`;

export type ListedSession = Pick<
  Session,
  'id' | 'created' | 'last_seen' | 'expires_at' | 'ip' | 'user_agent'
>;

/** Lists a user's live sessions, newest first, behind the id `before`. */
export async function listLiveSessions(
  db: Kysely<Tables>,
  userId: string,
  { limit, before }: { limit: number; before: string | undefined },
): Promise<ListedSession[]> {
  // Ids are UUIDv7: this is the order in which they were opened.
  return db
    .selectFrom('identity.sessions')
    .select(['id', 'created', 'last_seen', 'expires_at', 'ip', 'user_agent'])
    .where(ownedBy(userId))
    .where(LIVE)
    .$if(before !== undefined, (query) => query.where('id', '<', before ?? ''))
    .orderBy('user_id')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}

/**
 * Locks a user's live sessions until the transaction ends, in one order: sessions that end each
 * other at once would deadlock.
 * @returns their ids
 */
export async function lockLiveSessions(
  trx: Transaction<Tables>,
  userId: string,
): Promise<string[]> {
  const rows = await trx
    .selectFrom('identity.sessions')
    .select('id')
    .where('user_id', '=', userId)
    .where(LIVE)
    .orderBy('id')
    .forUpdate()
    .execute();
  return rows.map(({ id }) => id);
}

/** A condition for statements that an ended session must not execute. */
export const sessionIsLive = (id: string) =>
  sql<boolean>`exists (select from shared.live_sessions where session_id = ${id})`;

/**
 * Whether a session is live; its end waits for this transaction. A statement of its own sees
 * changes that committed before the earlier locks.
 */
export async function isSessionLive(trx: Transaction<Tables>, id: string): Promise<boolean> {
  const { rows } = await sql<{ active: boolean }>`
    select ${sessionIsLive(id)} as active from identity.sessions
    where id = ${id} and ${LIVE} for share`.execute(trx);
  return rows[0]?.active === true;
}

/** @returns whether the session was still alive */
export async function revokeSession(
  trx: Transaction<Tables>,
  id: string,
  reason: string,
): Promise<boolean> {
  const result = await trx
    .updateTable('identity.sessions')
    .set({ revoked_at: sql<Date>`now()`, revoked_reason: reason })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Ends a session while the caller's own is live. @returns undefined where it did not */
export async function revokeLiveSession(
  trx: Transaction<Tables>,
  principal: Pick<SessionPrincipal, 'id' | 'sessionId'>,
  { id, reason }: { id: string; reason: string },
): Promise<Pick<Session, 'created'> | undefined> {
  return trx
    .updateTable('identity.sessions')
    .set({ revoked_at: sql<Date>`now()`, revoked_reason: reason })
    .where('id', '=', id)
    .where('user_id', '=', principal.id)
    .where(LIVE)
    .where(sessionIsLive(principal.sessionId))
    .returning('created')
    .executeTakeFirst();
}

/** Ends a user's live sessions but `except`. @returns their ids */
export async function revokeSessionsOfUser(
  trx: Transaction<Tables>,
  userId: string,
  { reason, except }: { reason: string; except?: string },
): Promise<string[]> {
  const rows = await trx
    .updateTable('identity.sessions')
    .set({ revoked_at: sql<Date>`now()`, revoked_reason: reason })
    .where('user_id', '=', userId)
    .where(LIVE)
    .$if(except !== undefined, (query) => query.where('id', '<>', except ?? ''))
    .returning('id')
    .execute();
  return rows.map((row) => row.id);
}

/** Deletes sessions that ended a week ago; rows hold personal data. */
export async function deleteEndedSessions(db: Kysely<Tables>): Promise<void> {
  await sql`
    delete from identity.sessions
    where revoked_at < now() - interval '7 days' or expires_at < now() - interval '7 days'
      or last_seen + idle_timeout < now() - interval '7 days'`.execute(db);
}
