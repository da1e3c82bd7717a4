import { Type } from 'typebox';
import { sessionPrincipalOf, Unauthenticated } from '@muniment/security';
import { afterCommit, defineRoute } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { clearSessionCookies } from './session-cookies.ts';
import { loggedOut } from './session-events.ts';
import { revokeSession } from './session-queries.ts';

/** Ends the session that the caller's token belongs to. */
export const logOut = defineRoute({
  method: 'POST',
  url: '/api/auth/logout',
  operation: 'sessions.log_out',
  summary: 'End the current session.',
  access: { permission: 'sessions:manage' },
  response: { 204: Type.Null() },
  errors: [],
  handler: (context: Pick<UserContext, 'data' | 'auth' | 'config'>) => async (request, reply) => {
    const { sessionId } = sessionPrincipalOf(request);
    await context.data.inTransaction(request, async (trx, record) => {
      // Another request may have ended it since this one was let in.
      if (!(await revokeSession(trx, sessionId, 'logout'))) throw new Unauthenticated();
      await record(loggedOut(sessionId));
    });
    afterCommit(request, () => context.auth.sessions.drop(sessionId));
    clearSessionCookies(context, request, reply);
    return reply.code(204).send(null);
  },
});
