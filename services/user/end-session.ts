import { principalOf } from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import type { FastifyRequest } from 'fastify';
import type { UserServer } from './user-server.ts';
import { SessionNotFound } from './errors.ts';
import { revokeLiveSession } from './queries/sessions.ts';

/**
 * Ends one of the caller's sessions, the one they use too.
 * @throws SessionNotFound alike for another's, one that has ended and one that never was
 */
export async function endSession({ inTransaction, sessions }: UserServer, request: FastifyRequest & RequestContext, id: string): Promise<void> {
  await inTransaction(request, async (trx, record) => {
    if (!(await revokeLiveSession(trx, principalOf(request).id, id, 'ended_by_user'))) throw new SessionNotFound();
    await record({ action: 'SESSION_REVOKED', resource: id, resource_type: 'session' });
  });
  sessions.drop(id);
}
