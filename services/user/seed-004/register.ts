import { Type } from 'typebox';
import type { UserContext } from '../context.ts';
import { anyQuote } from './quotes.ts';
import { findReplacedSession } from '../sessions/revoke-session.ts';
import {
  rejectCrossOrigin,
  setSessionCookies,
  whileSessionLives,
} from '../sessions/session-cookies.ts';
import { signUp } from '../sign-in/sign-up.ts';
import { emailSchema, passwordSchema, personNameSchema } from '../users/user-resource.ts';
import { documentedFailures, sessionData, sessionDataSchema } from './shapes.ts';

const bodySchema = Type.Object(
  {
    email: emailSchema,
    firstname: personNameSchema,
    lastname: personNameSchema,
    password: passwordSchema,
  },
  { additionalProperties: false },
);
const answerSchema = Type.Object({
  success: Type.Literal(true),
  userData: Type.Object({
    email: Type.String(),
    firstname: Type.String(),
    lastname: Type.String(),
  }),
  sessionData: sessionDataSchema,
  quote: Type.String(),
});

/** `POST /api/v1/auth/register`, as seed 004 has it; always in cookie mode. */
export function v1RegisterRoute(server: UserContext): void {
  server.app.route({
    method: 'POST',
    url: '/api/v1/auth/register',
    schema: { body: bodySchema, response: { 201: answerSchema } },
    config: { operation: 'v1.register', access: 'public', replayWhile: whileSessionLives(server) },
    preSerialization: documentedFailures({
      incomplete: 'email, firstnme, lstname, password is required',
    }),
    handler: async (request, reply) => {
      rejectCrossOrigin(server, request, 'cookie');
      const { email, password, firstname, lastname } = request.body;
      const { user, tokens } = await signUp(server, request, {
        registration: { email, password, first_name: firstname, last_name: lastname },
        replaced: await findReplacedSession(server, request, 'cookie'),
      });
      setSessionCookies(server, reply, tokens);
      return reply
        .code(201)
        .send({
          success: true,
          userData: { email: user.email, firstname, lastname },
          sessionData: sessionData(tokens),
          quote: anyQuote(),
        });
    },
  });
}
