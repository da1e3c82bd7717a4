import { sql, type RawBuilder, type Transaction } from 'kysely';
import type { Principal } from '@muniment/security';
import { isSessionLive, sessionIsLive } from '../sessions/session-queries.ts';
import type { Tables } from '../tables.ts';

const LIVE = sql<boolean>`revoked_at is null and expires_at > clock_timestamp()`;

/** A condition for statements that need a live session or API token. */
export const callerIsLive = ({ sessionId, apiToken }: Principal): RawBuilder<boolean> =>
  apiToken
    ? sql<boolean>`exists (select from identity.api_tokens t where t.id = ${apiToken.id}
        and t.revoked_at is null and t.expires_at > clock_timestamp())`
    : sessionIsLive(sessionId);

/** Whether the caller's session or API token is live; its end waits. */
export async function isCallerLive(trx: Transaction<Tables>, caller: Principal): Promise<boolean> {
  if (caller.apiToken === null) return isSessionLive(trx, caller.sessionId);
  const { rows } = await sql`
    select 1 from identity.api_tokens where id = ${caller.apiToken.id} and ${LIVE}
    for share`.execute(trx);
  return rows.length > 0;
}
