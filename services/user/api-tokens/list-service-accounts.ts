import { Type } from 'typebox';
import { decodeCursor, encodeCursor } from '@muniment/server';
import { listServiceAccounts } from './service-account-queries.ts';
import { toServiceAccountResource, serviceAccountSchema } from './service-account-resource.ts';
import type { UserContext } from '../context.ts';

const querySchema = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
    cursor: Type.Optional(Type.String({ maxLength: 100 })),
  },
  { additionalProperties: false },
);

/** `GET /api/users/service-accounts`: all of them, newest first. */
export function listServiceAccountsRoute({ app, db }: UserContext): void {
  app.route({
    method: 'GET',
    url: '/api/users/service-accounts',
    schema: {
      querystring: querySchema,
      response: {
        200: Type.Object({
          data: Type.Array(serviceAccountSchema),
          next_cursor: Type.Union([Type.String(), Type.Null()]),
        }),
      },
    },
    config: {
      operation: 'service_account.list',
      access: { permission: 'service-accounts:manage' },
    },
    handler: async ({ query: { limit, cursor } }) => {
      const found = await listServiceAccounts(
        db,
        limit + 1,
        cursor === undefined ? undefined : decodeCursor(cursor),
      );
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        data: page.map(toServiceAccountResource),
        next_cursor: last && found.length > limit ? encodeCursor(last.id) : null,
      };
    },
  });
}
