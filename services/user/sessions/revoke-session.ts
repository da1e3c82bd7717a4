import { sessionPrincipalOf } from '@muniment/security';
import { afterCommit, type RequestContext } from '@muniment/server';
import type { FastifyRequest } from 'fastify';
import type { UserContext } from '../context.ts';
import { SessionNotFound } from '../errors.ts';
import { sessionRevoked } from './session-events.ts';
import { revokeLiveSession } from './session-queries.ts';

/**
 * Ends one of the caller's sessions, also the current one.
 * @returns whether it was the current one
 * @throws SessionNotFound alike for another user's session, an ended and an unknown one
 */
export async function revokeOwnSession(
  { data, auth }: Pick<UserContext, 'data' | 'auth'>,
  request: FastifyRequest & RequestContext,
  id: string,
): Promise<boolean> {
  const principal = sessionPrincipalOf(request);
  await data.inTransaction(request, async (trx, record) => {
    if (!(await revokeLiveSession(trx, principal, { id, reason: 'ended_by_user' })))
      throw new SessionNotFound();
    await record(sessionRevoked(id));
  });
  afterCommit(request, () => auth.sessions.drop(id));
  return id === principal.sessionId;
}
