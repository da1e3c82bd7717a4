import type { Transaction } from 'kysely';
import type { FastifyRequest } from 'fastify';
import type { RequestEvent } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { sessionReplaced } from './session-events.ts';
import { revokeLiveSession } from './session-queries.ts';
import type { SessionMode } from './session-cookies.ts';
import type { Tables } from '../tables.ts';

/** A session whose cookies are about to be overwritten. */
export interface ReplacedSession {
  id: string;
  userId: string;
}

/**
 * The session of the browser's cookies, which a new sign-in overwrites and therefore ends
 * (OWASP ASVS 7.2.4). Undefined in token mode, and for invalid cookies.
 */
export async function findReplacedSession(
  { auth }: Pick<UserContext, 'auth'>,
  request: FastifyRequest,
  mode: SessionMode,
): Promise<ReplacedSession | undefined> {
  if (mode === 'token') return undefined;
  try {
    const token = auth.cookies.accessToken(request)?.token;
    if (token === undefined) return undefined;
    const { sid: id, sub: userId } = await auth.accessTokens.verify(token);
    return { id, userId };
  } catch (error) {
    if (
      error instanceof Error &&
      'statusCode' in error &&
      (error.statusCode === 400 || error.statusCode === 401)
    )
      return undefined;
    throw error;
  }
}

/** Ends the replaced session in the transaction that opens the new one. */
export async function revokeReplacedSession(
  trx: Transaction<Tables>,
  record: (event: RequestEvent) => Promise<string>,
  replaced: ReplacedSession,
): Promise<void> {
  const { id, userId } = replaced;
  const principal = { id: userId, sessionId: id };
  if (await revokeLiveSession(trx, principal, { id, reason: 'replaced' }))
    await record(sessionReplaced(replaced));
}
