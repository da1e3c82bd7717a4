import type { Transaction } from 'kysely';
import { cleanText } from '@muniment/audit-events';
import { uuidv7 } from '@muniment/database';
import { createRefreshToken, hashRefreshToken, type Role } from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { insertSession } from './session-queries.ts';
import type { Tables } from '../tables.ts';

const USER_AGENT_BYTES = 512;

export interface SessionTokens {
  token: string;
  refresh_token: string;
  expires_in: number;
  session_id: string;
  /** Only after a password was checked. */
  device_token?: string;
}

/** Opens a session with its first tokens, in the login's transaction. */
export async function openSession(
  { auth, config }: Pick<UserContext, 'auth' | 'config'>,
  trx: Transaction<Tables>,
  { request, user }: { request: RequestContext; user: { id: string; type: Role } },
): Promise<SessionTokens> {
  const sessionId = uuidv7(Date.now());
  const expiresAt = new Date(Date.now() + config.SESSION_TTL_S * 1_000);
  const userAgent = request.headers['user-agent'];
  const refreshToken = createRefreshToken();
  const appMetadata = await insertSession(trx, {
    id: sessionId,
    user_id: user.id,
    ip: request.ip,
    user_agent: userAgent === undefined ? null : cleanText(userAgent, USER_AGENT_BYTES),
    idle_seconds: config.SESSION_IDLE_TTL_S,
    expires_at: expiresAt,
    refresh_token: { hash: hashRefreshToken(refreshToken), ttlSeconds: config.REFRESH_TOKEN_TTL_S },
  });
  const { token, expiresIn } = auth.accessTokens.issue({
    userId: user.id,
    sessionId,
    role: user.type,
    appMetadata,
    sessionExpiresAt: new Date(
      Math.min(expiresAt.getTime(), Date.now() + config.SESSION_IDLE_TTL_S * 1_000),
    ),
  });
  return { token, refresh_token: refreshToken, expires_in: expiresIn, session_id: sessionId };
}
