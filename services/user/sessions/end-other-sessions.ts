import { Type } from 'typebox';
import { sessionPrincipalOf, Unauthenticated } from '@muniment/security';
import { defineRoute } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { otherSessionsRevoked } from './session-events.ts';
import { lockLiveSessions, revokeSessionsOfUser } from './session-queries.ts';

/** Ends the caller's sessions but the current one (OWASP ASVS 7.4.3). */
export const endOtherSessions = defineRoute({
  method: 'DELETE',
  url: '/api/auth/sessions',
  operation: 'sessions.end_other_sessions',
  summary: 'End every session of the caller but the current one.',
  access: { permission: 'sessions:manage' },
  response: { 200: Type.Object({ ended: Type.Integer() }) },
  errors: [],
  handler:
    ({ data, auth }: Pick<UserContext, 'data' | 'auth'>) =>
    async (request) => {
      const { id, sessionId } = sessionPrincipalOf(request);
      const ended = await data.inTransaction(request, async (trx, record) => {
        // Two sessions may end each other at once. The second finds itself ended.
        const live = await lockLiveSessions(trx, id);
        if (!live.includes(sessionId)) throw new Unauthenticated();
        const others = await revokeSessionsOfUser(trx, id, {
          reason: 'ended_by_user',
          except: sessionId,
        });
        await record(otherSessionsRevoked(id, others.length));
        return others;
      });
      for (const other of ended) auth.sessions.drop(other);
      return { ended: ended.length };
    },
});
