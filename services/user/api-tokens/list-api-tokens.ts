import { Type } from 'typebox';
import { apiTokenSchema, toApiTokenResource } from './api-token-resource.ts';
import { decodeCursor, encodeCursor } from '@muniment/server';
import { listLiveApiTokens } from './api-token-queries.ts';
import { tokenOwnerOf } from './token-owner.ts';
import type { UserContext } from '../context.ts';

const querySchema = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
    cursor: Type.Optional(Type.String({ maxLength: 100 })),
    user_id: Type.Optional(
      Type.String({ format: 'uuid', description: "A service account's, for administrators." }),
    ),
  },
  { additionalProperties: false },
);

/** `GET /api/auth/tokens`: the tokens that count, newest first. `last_used_at` may be a minute or so behind. */
export function listApiTokensRoute(server: UserContext): void {
  const { app, db } = server;
  app.route({
    method: 'GET',
    url: '/api/auth/tokens',
    schema: {
      querystring: querySchema,
      response: {
        200: Type.Object({
          data: Type.Array(apiTokenSchema),
          next_cursor: Type.Union([Type.String(), Type.Null()]),
        }),
      },
    },
    config: { operation: 'token.list', access: { permission: 'tokens:manage' } },
    handler: async (request) => {
      const { limit, cursor, user_id: userId } = request.query;
      const before = cursor === undefined ? undefined : decodeCursor(cursor);
      const found = await listLiveApiTokens(
        db,
        await tokenOwnerOf(server, request, userId),
        limit + 1,
        before,
      );
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        data: page.map(toApiTokenResource),
        next_cursor: last && found.length > limit ? encodeCursor(last.id) : null,
      };
    },
  });
}
