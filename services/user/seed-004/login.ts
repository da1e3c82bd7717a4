import { Type } from 'typebox';
import type { UserContext } from '../context.ts';
import { anyQuote } from './quotes.ts';
import { findReplacedSession } from '../sessions/revoke-session.ts';
import {
  rejectCrossOrigin,
  setSessionCookies,
  whileSessionLives,
} from '../sessions/session-cookies.ts';
import { signIn } from '../sign-in/sign-in.ts';
import { emailSchema, passwordSchema } from '../users/user-resource.ts';
import { documentedFailures, sessionData, sessionDataSchema } from './shapes.ts';

const bodySchema = Type.Object(
  { email: emailSchema, password: passwordSchema },
  { additionalProperties: false },
);

/** `POST /api/v1/auth/login`, as seed 004 has it; always in cookie mode. */
export function v1LoginRoute(server: UserContext): void {
  server.app.route({
    method: 'POST',
    url: '/api/v1/auth/login',
    schema: {
      body: bodySchema,
      response: {
        200: Type.Object({
          success: Type.Literal(true),
          sessionData: sessionDataSchema,
          quote: Type.String(),
        }),
      },
    },
    config: { operation: 'v1.login', access: 'public', replayWhile: whileSessionLives(server) },
    preSerialization: documentedFailures({ incomplete: 'email and password is required' }),
    handler: async (request, reply) => {
      rejectCrossOrigin(server, request, 'cookie');
      const { tokens } = await signIn(server, request, {
        credentials: request.body,
        replaced: await findReplacedSession(server, request, 'cookie'),
      });
      setSessionCookies(server, reply, tokens);
      return { success: true as const, sessionData: sessionData(tokens), quote: anyQuote() };
    },
  });
}
