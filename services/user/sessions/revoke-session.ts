import type { FastifyRequest } from 'fastify';
import type { Transaction } from 'kysely';
import { sessionPrincipalOf } from '@muniment/security';
import {
  afterCommit,
  requirePreconditions,
  type RequestContext,
  type RequestEvent,
} from '@muniment/server';
import type { UserContext } from '../context.ts';
import { SessionNotFound } from '../errors.ts';
import type { Tables } from '../tables.ts';
import type { SessionMode } from './session-cookies.ts';
import { sessionReplaced, sessionRevoked, type ReplacedSession } from './session-events.ts';
import { revokeLiveSession } from './session-queries.ts';

export type { ReplacedSession };

/**
 * Ends one of the caller's sessions.
 * @returns whether it was the current one
 * @throws SessionNotFound alike for foreign, ended and unknown sessions; PreconditionFailed
 */
export async function revokeOwnSession(
  { data, auth }: Pick<UserContext, 'data' | 'auth'>,
  request: FastifyRequest & RequestContext,
  id: string,
): Promise<boolean> {
  const principal = sessionPrincipalOf(request);
  await data.inTransaction(request, async (trx, record) => {
    const ended = await revokeLiveSession(trx, principal, { id, reason: 'ended_by_user' });
    if (!ended) throw new SessionNotFound();
    requirePreconditions(request, { lastModified: ended.created });
    await record(sessionRevoked(id));
  });
  afterCommit(request, () => auth.sessions.drop(id));
  return id === principal.sessionId;
}

/**
 * The session of the browser's cookies, which a login replaces (OWASP ASVS 7.2.4). Undefined in
 * token mode and for invalid cookies.
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
    if (isRefused(error)) return undefined;
    throw error;
  }
}

/** Cookies that came twice (400), or whose token is not valid (401). */
const isRefused = (error: unknown): boolean =>
  error instanceof Error &&
  'statusCode' in error &&
  (error.statusCode === 400 || error.statusCode === 401);

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
