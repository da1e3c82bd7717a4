import { Type } from 'typebox';
import { sessionPrincipalOf, Unauthenticated } from '@muniment/security';
import { afterCommit } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { revokeSession } from './session-queries.ts';
import { clearSessionCookies } from './session-cookies.ts';

/** `POST /api/auth/logout`: ends the session that the token belongs to. */
export function logoutRoute(server: UserContext): void {
  const { app, inTransaction, sessions } = server;
  app.route({
    method: 'POST',
    url: '/api/auth/logout',
    schema: { response: { 204: Type.Null() } },
    config: { operation: 'session.logout', access: { permission: 'sessions:manage' } },
    handler: async (request, reply) => {
      const { sessionId } = sessionPrincipalOf(request);
      await inTransaction(request, async (trx, record) => {
        // Ended by another request since this one was let in: there is nothing left to log out of.
        if (!(await revokeSession(trx, sessionId, 'logout'))) throw new Unauthenticated();
        await record({ action: 'LOGOUT', resource: sessionId, resource_type: 'session' });
      });
      afterCommit(request, () => sessions.drop(sessionId));
      clearSessionCookies(server, request, reply);
      return reply.code(204).send(null);
    },
  });
}
