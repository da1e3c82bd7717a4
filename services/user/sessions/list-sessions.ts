import { Type } from 'typebox';
import { principalOf } from '@muniment/security';
import type { UserContext } from '../context.ts';
import { clientSchema, describeClient } from './client-software.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { listLiveSessions } from './session-queries.ts';

const querySchema = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
    cursor: Type.Optional(Type.String({ maxLength: 100 })),
  },
  { additionalProperties: false },
);

const sessionSchema = Type.Object({
  id: Type.String({ format: 'uuid' }),
  created: Type.String({ format: 'date-time' }),
  last_seen: Type.String({ format: 'date-time' }),
  expires_at: Type.String({ format: 'date-time' }),
  ip: Type.Union([Type.String(), Type.Null()]),
  user_agent: Type.Union([Type.String(), Type.Null()]),
  client: clientSchema,
  current: Type.Boolean(),
});

/** `GET /api/auth/sessions`: where the caller is signed in, newest first (OWASP ASVS 7.5.2). `last_seen` may be a minute or so behind. */
export function listSessionsRoute({ app, db }: UserContext): void {
  app.route({
    method: 'GET',
    url: '/api/auth/sessions',
    schema: {
      querystring: querySchema,
      response: {
        200: Type.Object({
          data: Type.Array(sessionSchema),
          next_cursor: Type.Union([Type.String(), Type.Null()]),
        }),
      },
    },
    config: { operation: 'session.list', access: { permission: 'sessions:manage' } },
    handler: async (request) => {
      const { id: userId, sessionId } = principalOf(request);
      const { limit, cursor } = request.query;
      const found = await listLiveSessions(
        db,
        userId,
        limit + 1,
        cursor === undefined ? undefined : decodeCursor(cursor),
      );
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        data: page.map(({ id, created, last_seen, expires_at, ip, user_agent }) => ({
          id,
          created: created.toISOString(),
          last_seen: last_seen.toISOString(),
          expires_at: expires_at.toISOString(),
          ip,
          user_agent,
          client: describeClient(user_agent),
          current: id === sessionId,
        })),
        next_cursor: last && found.length > limit ? encodeCursor(last.id) : null,
      };
    },
  });
}
