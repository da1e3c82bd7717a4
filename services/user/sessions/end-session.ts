import { Type } from 'typebox';
import type { UserContext } from '../context.ts';
import { endSession } from './revoke-session.ts';
import { clearSessionCookies } from './session-cookies.ts';

/** `DELETE /api/auth/sessions/:id`: ends one of the caller's sessions (OWASP ASVS 7.5.2). */
export function endSessionRoute(server: UserContext): void {
  server.app.route({
    method: 'DELETE',
    url: '/api/auth/sessions/:id',
    schema: {
      params: Type.Object({ id: Type.String({ format: 'uuid' }) }),
      response: { 204: Type.Null() },
    },
    config: { operation: 'session.end', access: { permission: 'sessions:manage' } },
    handler: async (request, reply) => {
      if (await endSession(server, request, request.params.id))
        clearSessionCookies(server, request, reply);
      return reply.code(204).send(null);
    },
  });
}
