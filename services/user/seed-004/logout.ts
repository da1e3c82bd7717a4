import { Type } from 'typebox';
import type { UserContext } from '../context.ts';
import { revokeOwnSession } from '../sessions/revoke-session.ts';
import { clearSessionCookies } from '../sessions/session-cookies.ts';
import { documentedFailures } from './shapes.ts';

/** `POST /api/v1/auth/user/logout/:id`, as seed 004 has it: ends one of the caller's sessions, the one that it is called with too. */
export function v1LogoutRoute(server: UserContext): void {
  server.app.route({
    method: 'POST',
    url: '/api/v1/auth/user/logout/:id',
    schema: {
      params: Type.Object({ id: Type.String({ format: 'uuid' }) }),
      response: { 200: Type.Object({ success: Type.Literal(true) }) },
    },
    config: { operation: 'v1.logout', access: { permission: 'sessions:manage' } },
    preSerialization: documentedFailures(),
    handler: async (request, reply) => {
      if (await revokeOwnSession(server, request, request.params.id))
        clearSessionCookies(server, request, reply);
      return { success: true as const };
    },
  });
}
