import { Type } from 'typebox';
import { principalOf } from '@muniment/security';
import {
  CursorInvalid,
  dateTime,
  decodeCursor,
  defineRoute,
  nullable,
  pageOf,
  pageQuery,
  toPage,
  uuid,
} from '@muniment/server';
import type { UserContext } from '../context.ts';
import { clientSchema, describeClient } from './client-software.ts';
import { listLiveSessions, type ListedSession } from './session-queries.ts';

const sessionSchema = Type.Object({
  id: uuid,
  created: dateTime,
  last_seen: dateTime,
  expires_at: dateTime,
  ip: nullable(Type.String()),
  user_agent: nullable(Type.String()),
  client: clientSchema,
  current: Type.Boolean(),
});

/** Lists live sessions, newest first (OWASP ASVS 7.5.2). `last_seen` lags by a minute. */
export const listSessions = defineRoute({
  method: 'GET',
  url: '/api/auth/sessions',
  operation: 'sessions.list_sessions',
  summary: 'List where the caller is signed in.',
  access: { permission: 'sessions:manage' },
  query: pageQuery({}),
  response: { 200: pageOf(sessionSchema) },
  errors: [CursorInvalid],
  handler:
    ({ data: { db } }: Pick<UserContext, 'data'>) =>
    async (request) => {
      const { id: userId, sessionId } = principalOf(request);
      const { limit, cursor } = request.query;
      const before = cursor === undefined ? undefined : decodeCursor(cursor);
      const rows = await listLiveSessions(db, userId, { limit: limit + 1, before });
      return toPage(rows, limit, (session) => toSessionResource(session, sessionId));
    },
});

function toSessionResource(session: ListedSession, currentId: string | null) {
  const { id, created, last_seen, expires_at, ip, user_agent } = session;
  return {
    id,
    created: created.toISOString(),
    last_seen: last_seen.toISOString(),
    expires_at: expires_at.toISOString(),
    ip,
    user_agent,
    client: describeClient(user_agent),
    current: id === currentId,
  };
}
