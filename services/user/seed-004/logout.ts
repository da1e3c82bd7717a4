import { Type } from 'typebox';
import { defineRoute, idParams } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { SessionNotFound } from '../errors.ts';
import { revokeOwnSession } from '../sessions/revoke-session.ts';
import { clearSessionCookies } from '../sessions/session-cookies.ts';
import { documentedFailures, failureSchema } from './shapes.ts';

/** Ends one of the caller's sessions by seed 004. */
export const logOutSession = defineRoute({
  method: 'POST',
  url: '/api/v1/auth/user/logout/:id',
  operation: 'seed-004.log_out_session',
  summary: 'End one session of the caller.',
  access: { permission: 'sessions:manage' },
  params: idParams,
  response: { 200: Type.Object({ success: Type.Literal(true) }) },
  errors: [SessionNotFound],
  failure: failureSchema,
  options: { preSerialization: documentedFailures() },
  preconditions: 'handler',
  handler: (context: Pick<UserContext, 'data' | 'auth' | 'config'>) => async (request, reply) => {
    if (await revokeOwnSession(context, request, request.params.id))
      clearSessionCookies(context, request, reply);
    return { success: true as const };
  },
});
