import { sql, type Kysely, type Transaction } from 'kysely';
import type { SessionPrincipal } from '@muniment/security';
import type { Session, Tables } from '../tables.ts';

export interface NewSession {
  id: string;
  user_id: string;
  ip: string;
  user_agent: string | null;
  idle_seconds: number;
  expires_at: Date;
}

export async function insertSession(
  trx: Transaction<Tables>,
  { idle_seconds, ...session }: NewSession,
): Promise<void> {
  await trx
    .insertInto('identity.sessions')
    .values({ ...session, idle_timeout: sql<string>`${idle_seconds} * interval '1 second'` })
    .execute();
}

const LIVE = sql<boolean>`revoked_at is null and expires_at > clock_timestamp() and last_seen + idle_timeout > clock_timestamp()`;

export type ListedSession = Pick<
  Session,
  'id' | 'created' | 'last_seen' | 'expires_at' | 'ip' | 'user_agent'
>;

/** A user's live sessions, newest first. @param before id of the last one of the page before; undefined for the first page */
export async function listLiveSessions(
  db: Kysely<Tables>,
  userId: string,
  limit: number,
  before: string | undefined,
): Promise<ListedSession[]> {
  // Ids are UUIDv7: this is the order in which they were opened.
  return db
    .selectFrom('identity.sessions')
    .select(['id', 'created', 'last_seen', 'expires_at', 'ip', 'user_agent'])
    .where('user_id', '=', userId)
    .where(LIVE)
    .$if(before !== undefined, (query) => query.where('id', '<', before ?? ''))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}

/** Keeps a live session as it is for the rest of the transaction. @returns false when it has ended */
export async function lockLiveSession(trx: Transaction<Tables>, id: string): Promise<boolean> {
  return (
    (await trx
      .selectFrom('identity.sessions')
      .select('id')
      .where('id', '=', id)
      .where(LIVE)
      .forUpdate()
      .executeTakeFirst()) !== undefined
  );
}

/** As a condition of a statement that is sent anyway, for changes that a session must not make any more from the instant it has ended. */
export const sessionIsLive = (id: string) =>
  sql<boolean>`exists (select from shared.live_sessions where session_id = ${id})`;

/**
 * Whether a session lives, and keeps it alive for the rest of the transaction: whoever ends it meanwhile waits. By a snapshot of its own, taken after the
 * locks that the transaction has.
 */
export async function isSessionLive(trx: Transaction<Tables>, id: string): Promise<boolean> {
  const { rows } = await sql<{
    active: boolean;
  }>`select ${sessionIsLive(id)} as active from identity.sessions where id = ${id} and ${LIVE} for share`.execute(
    trx,
  );
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

/** Ends a live session of the user who calls by one; another's is left alone. @returns whether there was one */
export async function revokeLiveSession(
  trx: Transaction<Tables>,
  by: Pick<SessionPrincipal, 'id' | 'sessionId'>,
  id: string,
  reason: string,
): Promise<boolean> {
  const result = await trx
    .updateTable('identity.sessions')
    .set({ revoked_at: sql<Date>`now()`, revoked_reason: reason })
    .where('id', '=', id)
    .where('user_id', '=', by.id)
    .where(LIVE)
    .where(sessionIsLive(by.sessionId))
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** @param except the id of one that stays @returns the ids of the sessions that were still alive */
export async function revokeSessionsOfUser(
  trx: Transaction<Tables>,
  userId: string,
  reason: string,
  except?: string,
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

/** Forgets sessions that ended a week ago: a row keeps an address and a user agent, and there is no more use for them. */
export async function deleteEndedSessions(db: Kysely<Tables>): Promise<void> {
  await sql`
    delete from identity.sessions
    where revoked_at < now() - interval '7 days' or expires_at < now() - interval '7 days' or last_seen + idle_timeout < now() - interval '7 days'`.execute(
    db,
  );
}
