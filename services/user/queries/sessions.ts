import { sql, type Kysely, type Transaction } from 'kysely';
import type { Tables } from '../tables.ts';

export interface NewSession {
  id: string;
  user_id: string;
  ip: string;
  user_agent: string | null;
  expires_at: Date;
}

export async function insertSession(trx: Transaction<Tables>, session: NewSession): Promise<void> {
  await trx.insertInto('identity.sessions').values(session).execute();
}

/** @returns whether the session was still alive */
export async function revokeSession(trx: Transaction<Tables>, id: string, reason: string): Promise<boolean> {
  const result = await trx.updateTable('identity.sessions').set({ revoked_at: sql<Date>`now()`, revoked_reason: reason })
    .where('id', '=', id).where('revoked_at', 'is', null).executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** @returns the ids of the sessions that were still alive */
export async function revokeSessionsOfUser(trx: Transaction<Tables>, userId: string, reason: string): Promise<string[]> {
  const rows = await trx.updateTable('identity.sessions').set({ revoked_at: sql<Date>`now()`, revoked_reason: reason })
    .where('user_id', '=', userId).where('revoked_at', 'is', null).returning('id').execute();
  return rows.map((row) => row.id);
}

/** Forgets sessions that ended a week ago: a row keeps an address and a user agent, and there is no more use for them. */
export async function forgetOldSessions(db: Kysely<Tables>): Promise<void> {
  await sql`
    delete from identity.sessions
    where revoked_at < now() - interval '7 days' or expires_at < now() - interval '7 days'`.execute(db);
}
