import { Type } from 'typebox';
import type { UserContext } from '../context.ts';
import { findReplacedSession } from '../sessions/revoke-session.ts';
import {
  sendTokens,
  rejectCrossOrigin,
  sessionQuerySchema,
  whileSessionLives,
} from '../sessions/session-cookies.ts';
import { signIn } from './sign-in.ts';
import {
  deviceTokenSchema,
  emailSchema,
  passwordSchema,
  toUserResource,
  signedInSchema,
} from '../users/user-resource.ts';

const bodySchema = Type.Object(
  { email: emailSchema, password: passwordSchema, device_token: Type.Optional(deviceTokenSchema) },
  { additionalProperties: false },
);

/** `POST /api/users/login`, and `POST /login` as seed 000 calls it. */
export function loginRoute(server: UserContext): void {
  for (const url of ['/api/users/login', '/login']) {
    server.app.route({
      method: 'POST',
      url,
      schema: {
        querystring: sessionQuerySchema,
        body: bodySchema,
        response: { 200: signedInSchema },
      },
      config: { operation: 'user.login', access: 'public', replayWhile: whileSessionLives(server) },
      handler: async (request, reply) => {
        const { session } = request.query;
        rejectCrossOrigin(server, request, session);
        const { user, tokens } = await signIn(
          server,
          request,
          request.body,
          await findReplacedSession(server, request, session),
        );
        return { user: toUserResource(user), ...sendTokens(server, reply, tokens, session) };
      },
    });
  }
}
