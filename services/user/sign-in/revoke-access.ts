import type { Transaction } from 'kysely';
import { revokeSessionsOfUser } from '../sessions/session-queries.ts';
import type { UserContext } from '../context.ts';
import type { Tables } from '../tables.ts';
import { revokeApiTokensOfUser } from '../api-tokens/api-token-queries.ts';

export interface RevokedAccess {
  sessions: string[];
  apiTokens: { id: string; expires_at: Date }[];
}

/** Ends a locked user's sessions and API tokens: a thief may have made some of them. */
export async function revokeAccess(
  trx: Transaction<Tables>,
  userId: string,
  reason: string,
): Promise<RevokedAccess> {
  const sessions = await revokeSessionsOfUser(trx, userId, { reason });
  return { sessions, apiTokens: await revokeApiTokensOfUser(trx, userId) };
}

/** Makes this replica refuse them at once. Call it after the commit. */
export function dropAccess(
  { auth }: Pick<UserContext, 'auth'>,
  { sessions, apiTokens }: RevokedAccess,
): void {
  for (const id of sessions) auth.sessions.drop(id);
  for (const { id, expires_at: expiresAt } of apiTokens) auth.apiTokens.drop(id, expiresAt);
}

/** How many, for the event of the change that ended them. */
export const countRevoked = ({ sessions, apiTokens }: RevokedAccess) => ({
  sessions_ended: sessions.length,
  api_tokens_revoked: apiTokens.length,
});
