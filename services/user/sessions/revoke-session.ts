import { sessionPrincipalOf } from '@muniment/security';
import { afterCommit, type RequestContext } from '@muniment/server';
import type { FastifyRequest } from 'fastify';
import type { UserContext } from '../context.ts';
import { SessionNotFound } from '../errors.ts';
import { revokeLiveSession } from './session-queries.ts';

/**
 * Ends one of the caller's sessions, the one they use too.
 * @returns whether it was that one
 * @throws SessionNotFound alike for another's, one that has ended and one that never was
 */
export async function endSession(
  { inTransaction, sessions }: UserContext,
  request: FastifyRequest & RequestContext,
  id: string,
): Promise<boolean> {
  const principal = sessionPrincipalOf(request);
  await inTransaction(request, async (trx, record) => {
    if (!(await revokeLiveSession(trx, principal, id, 'ended_by_user')))
      throw new SessionNotFound();
    await record({ action: 'SESSION_REVOKED', resource: id, resource_type: 'session' });
  });
  afterCommit(request, () => sessions.drop(id));
  return id === principal.sessionId;
}
