import { Type } from 'typebox';
import type { UserContext } from '../context.ts';
import { findReplacedSession } from '../sessions/revoke-session.ts';
import {
  sendTokens,
  rejectCrossOrigin,
  sessionQuerySchema,
  whileSessionLives,
} from '../sessions/session-cookies.ts';
import { signUp } from './sign-up.ts';
import {
  emailSchema,
  passwordSchema,
  personNameSchema,
  toUserResource,
  signedInSchema,
} from '../users/user-resource.ts';

const bodySchema = Type.Object(
  {
    email: emailSchema,
    password: passwordSchema,
    name: Type.Optional(personNameSchema),
    first_name: Type.Optional(personNameSchema),
    last_name: Type.Optional(personNameSchema),
    // Admins are made by admins, never by signing up.
    type: Type.Optional(Type.Union([Type.Literal('customer'), Type.Literal('vendor')])),
  },
  { additionalProperties: false },
);

/** `POST /api/users/register`, and `POST /signup` as seed 000 calls it. */
export function registerRoute(server: UserContext): void {
  for (const url of ['/api/users/register', '/signup']) {
    server.app.route({
      method: 'POST',
      url,
      schema: {
        querystring: sessionQuerySchema,
        body: bodySchema,
        response: { 201: signedInSchema },
      },
      config: {
        operation: 'user.register',
        access: 'public',
        replayWhile: whileSessionLives(server),
      },
      handler: async (request, reply) => {
        const { session } = request.query;
        rejectCrossOrigin(server, request, session);
        const { user, tokens } = await signUp(
          server,
          request,
          request.body,
          await findReplacedSession(server, request, session),
        );
        return reply
          .code(201)
          .send({ user: toUserResource(user), ...sendTokens(server, reply, tokens, session) });
      },
    });
  }
}
