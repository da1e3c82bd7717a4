import { sql, type Kysely } from 'kysely';
import { repeat, type BackgroundLoop } from './background.ts';

/** A service's part in the deletion of a user. */
export interface ErasurePart {
  /** The column of `shared.erasures` that says this part is done. */
  column: 'identity_done' | 'files_done' | 'audit_done';
  /** Must be idempotent: it is called again until it has succeeded once. */
  erase(userId: string): Promise<void>;
}

const PAUSE_MS = 500;
/** Caches live a minute at most, so an order that is older has nothing left to drop. */
const DROP_WINDOW = "interval '2 minutes'";

/**
 * Works off the deletions that were ordered, and tells this replica's caches of each, again in every round of the window: a request that was under
 * way may have filled a cache after the first. A deletion that fails waits for the next round and holds up no other.
 */
export function createErasureLoop<DB>(db: Kysely<DB>, part: ErasurePart, forget: (userId: string) => void, onError: (error: unknown) => void): BackgroundLoop {
  return repeat('erasures', PAUSE_MS, async () => {
    const { rows } = await sql<{ user_id: string; done: boolean }>`
      select user_id, ${sql.ref(part.column)} as done from shared.erasures
      where not ${sql.ref(part.column)} or requested_at > now() - ${sql.raw(DROP_WINDOW)}`.execute(db);
    for (const { user_id: userId } of rows) forget(userId);
    for (const { user_id: userId } of rows.filter(({ done }) => !done)) {
      try {
        await part.erase(userId);
        await sql`update shared.erasures set ${sql.ref(part.column)} = true where user_id = ${userId}`.execute(db);
      } catch (error) {
        onError(error);
      }
    }
  }, onError);
}
