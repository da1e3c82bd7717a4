import type { Transaction } from 'kysely';
import type { FastifyRequest } from 'fastify';
import type { RequestEvent } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { revokeLiveSession } from './session-queries.ts';
import type { SessionMode } from './session-cookies.ts';
import type { Tables } from '../tables.ts';

/** A session whose cookies are about to be overwritten. */
export interface ReplacedSession {
  id: string;
  userId: string;
}

/**
 * The session that a browser still has cookies of when somebody signs in by it; it ends with that (OWASP ASVS 7.2.4), since nothing could end it afterwards but
 * its time. Undefined where tokens are asked for, and when the cookies are none that count: these keep nobody from signing in.
 */
export async function findReplacedSession(
  { app, cookies }: UserContext,
  request: FastifyRequest,
  mode: SessionMode,
): Promise<ReplacedSession | undefined> {
  if (mode === 'token') return undefined;
  try {
    const token = cookies.accessToken(request)?.token;
    if (token === undefined) return undefined;
    const { sid: id, sub: userId } = await app.accessTokens.verify(token);
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

/** Ends it in the transaction that opens the new one, as its own user's doing: whoever signs in had their browser. Nothing happens where it has ended already. */
export async function revokeReplacedSession(
  trx: Transaction<Tables>,
  record: (event: RequestEvent) => Promise<string>,
  { id, userId }: ReplacedSession,
): Promise<void> {
  if (!(await revokeLiveSession(trx, { id: userId, sessionId: id }, id, 'replaced'))) return;
  await record({
    action: 'SESSION_REVOKED',
    user_id: userId,
    subject: { userId },
    session_id: id,
    resource: id,
    resource_type: 'session',
    metadata: { reason: 'signed_in_again' },
  });
}
