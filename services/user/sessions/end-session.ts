import { Type } from 'typebox';
import { defineRoute, idParams } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { SessionNotFound } from '../errors.ts';
import { revokeOwnSession } from './revoke-session.ts';
import { clearSessionCookies } from './session-cookies.ts';

/** Ends one of the caller's sessions (OWASP ASVS 7.5.2). */
export const endSession = defineRoute({
  method: 'DELETE',
  url: '/api/auth/sessions/:id',
  operation: 'sessions.end_session',
  summary: 'End one session of the caller.',
  access: { permission: 'sessions:manage' },
  params: idParams,
  response: { 204: Type.Null() },
  errors: [SessionNotFound],
  preconditions: 'handler',
  handler: (context: Pick<UserContext, 'data' | 'auth' | 'config'>) => async (request, reply) => {
    if (await revokeOwnSession(context, request, request.params.id))
      clearSessionCookies(context, request, reply);
    return reply.code(204).send(null);
  },
});
