import { Type } from 'typebox';
import { principalOf, type Principal } from '@muniment/security';
import { dateTime, defineRoute, uuid } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { listLiveSessions, type ListedSession } from '../sessions/session-queries.ts';
import { documentedFailures, failureSchema } from './shapes.ts';

/** The document knows no pages, so only the newest sessions are listed. */
const MAX_SESSIONS = 200;

const sessionSchema = Type.Object({
  _id: uuid,
  source: Type.String(),
  ip: Type.String(),
  loginInfo: Type.String(),
  date: dateTime,
});
const answerSchema = Type.Object({
  success: Type.Literal(true),
  activeSessions: Type.Array(sessionSchema),
});

/** Lists the caller's sessions, as seed 004 documents it. */
export const listActiveSessions = defineRoute({
  method: 'GET',
  url: '/api/v1/auth/user/active-sessions',
  operation: 'seed-004.list_active_sessions',
  summary: 'List the live sessions of the caller.',
  access: { permission: 'sessions:manage' },
  response: { 200: answerSchema },
  errors: [],
  failure: failureSchema,
  options: { preSerialization: documentedFailures() },
  handler:
    ({ data: { db } }: Pick<UserContext, 'data'>) =>
    async (request) => {
      const principal = principalOf(request);
      const page = { limit: MAX_SESSIONS, before: undefined };
      const sessions = await listLiveSessions(db, principal.id, page);
      const activeSessions = sessions.map((session) => toActiveSession(session, principal));
      return { success: true as const, activeSessions };
    },
});

const toActiveSession = (session: ListedSession, principal: Principal) => ({
  _id: session.id,
  source: session.user_agent ?? '',
  ip: session.ip ?? '',
  loginInfo: loginInfoOf(session, principal),
  date: session.created.toISOString(),
});

/**
 * Rebuilds a session's claims, since tokens are not stored. Without a signature they authenticate
 * nobody.
 */
function loginInfoOf({ id, created }: ListedSession, { id: userId, role }: Principal): string {
  const claims = { sub: userId, sid: id, role, iat: Math.floor(created.getTime() / 1_000) };
  return Buffer.from(JSON.stringify(claims)).toString('base64url');
}
