import { Type } from 'typebox';
import { principalOf, type Principal } from '@muniment/security';
import type { UserContext } from '../context.ts';
import { listLiveSessions, type ListedSession } from '../sessions/session-queries.ts';
import { documentedFailures } from './shapes.ts';

/** The document has no pages: so many are shown, the newest. */
const MOST = 200;

const answerSchema = Type.Object({
  success: Type.Literal(true),
  activeSessions: Type.Array(
    Type.Object({
      _id: Type.String({ format: 'uuid' }),
      source: Type.String(),
      ip: Type.String(),
      loginInfo: Type.String(),
      date: Type.String({ format: 'date-time' }),
    }),
  ),
});

/** `GET /api/v1/auth/user/active-sessions`, as seed 004 has it. */
export function v1ListActiveSessionsRoute({ app, db }: UserContext): void {
  app.route({
    method: 'GET',
    url: '/api/v1/auth/user/active-sessions',
    schema: { response: { 200: answerSchema } },
    config: { operation: 'v1.active_sessions', access: { permission: 'sessions:manage' } },
    preSerialization: documentedFailures(),
    handler: async (request) => {
      const principal = principalOf(request);
      const sessions = await listLiveSessions(db, principal.id, { limit: MOST, before: undefined });
      return {
        success: true as const,
        activeSessions: sessions.map((session) => ({
          _id: session.id,
          source: session.user_agent ?? '',
          ip: session.ip ?? '',
          loginInfo: loginInfoOf(session, principal),
          date: session.created.toISOString(),
        })),
      };
    },
  });
}

/**
 * What a session's tokens say of it. Tokens are kept nowhere, so it is made anew from the session, less what only one token has (`jti`, `exp`, `kid`);
 * `iat` is when the session was opened. By itself it opens nothing.
 */
function loginInfoOf({ id, created }: ListedSession, { id: userId, role }: Principal): string {
  const claims = { sub: userId, sid: id, role, iat: Math.floor(created.getTime() / 1_000) };
  return Buffer.from(JSON.stringify(claims)).toString('base64url');
}
