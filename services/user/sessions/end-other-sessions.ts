import { Type } from 'typebox';
import { sessionPrincipalOf, Unauthenticated } from '@muniment/security';
import type { UserContext } from '../context.ts';
import { lockLiveSession, revokeSessionsOfUser } from './session-queries.ts';

/** `DELETE /api/auth/sessions`: ends every session of the caller but the one it is called with (OWASP ASVS 7.4.3). */
export function endOtherSessionsRoute({ app, inTransaction, sessions }: UserContext): void {
  app.route({
    method: 'DELETE',
    url: '/api/auth/sessions',
    schema: { response: { 200: Type.Object({ ended: Type.Integer() }) } },
    config: { operation: 'session.end_others', access: { permission: 'sessions:manage' } },
    handler: async (request) => {
      const { id, sessionId } = sessionPrincipalOf(request);
      const ended = await inTransaction(request, async (trx, record) => {
        // Of two sessions that end each other at once, one comes first, and the other is no longer anybody's.
        if (!(await lockLiveSession(trx, sessionId))) throw new Unauthenticated();
        const others = await revokeSessionsOfUser(trx, id, 'ended_by_user', sessionId);
        await record({
          action: 'SESSION_REVOKED',
          resource: id,
          resource_type: 'user',
          metadata: { sessions_ended: others.length },
        });
        return others;
      });
      for (const other of ended) sessions.drop(other);
      return { ended: ended.length };
    },
  });
}
