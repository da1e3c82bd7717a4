import { Type } from 'typebox';
import { principalOf, Unauthenticated } from '@muniment/security';
import type { UserContext } from '../context.ts';
import { findUserById } from '../users/user-queries.ts';
import { documentedFailures } from './shapes.ts';

const nullableText = Type.Union([Type.String(), Type.Null()]);

/** `GET /api/v1/auth/user`, as seed 004 has it. The names are null for who signed up elsewhere without any. */
export function v1GetUserRoute({ app, db }: UserContext): void {
  app.route({
    method: 'GET',
    url: '/api/v1/auth/user',
    schema: {
      response: {
        200: Type.Object({
          success: Type.Literal(true),
          email: Type.String(),
          firstname: nullableText,
          lastname: nullableText,
        }),
      },
    },
    config: { operation: 'v1.user', access: { permission: 'profile:read' } },
    preSerialization: documentedFailures(),
    handler: async (request) => {
      const user = await findUserById(db, principalOf(request).id);
      if (!user) throw new Unauthenticated();
      return {
        success: true as const,
        email: user.email,
        firstname: user.first_name,
        lastname: user.last_name,
      };
    },
  });
}
