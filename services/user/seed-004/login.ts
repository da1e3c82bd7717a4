import { OriginRefused } from '@muniment/security';
import { Type } from 'typebox';
import { defineRoute, strictObject } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { EmailMalformed, InvalidCredentials, PasswordChangeRequired } from '../errors.ts';
import { findReplacedSession } from '../sessions/revoke-session.ts';
import {
  rejectCrossOrigin,
  setSessionCookies,
  whileUnrefreshed,
} from '../sessions/session-cookies.ts';
import { signIn } from '../sign-in/sign-in.ts';
import { emailSchema, passwordSchema } from '../users/user-resource.ts';
import { anyQuote } from './quotes.ts';
import { documentedFailures, failureSchema, sessionData, sessionDataSchema } from './shapes.ts';

const answerSchema = Type.Object({
  success: Type.Literal(true),
  sessionData: sessionDataSchema,
  quote: Type.String(),
});

/** Logs a user in by seed 004, always in cookie mode. */
export const logIn = defineRoute({
  method: 'POST',
  url: '/api/v1/auth/login',
  operation: 'seed-004.log_in_user',
  summary: 'Sign in by e-mail address and password.',
  access: 'public',
  body: strictObject({ email: emailSchema, password: passwordSchema }),
  response: { 200: answerSchema },
  errors: [OriginRefused, EmailMalformed, InvalidCredentials, PasswordChangeRequired],
  failure: failureSchema,
  replayWhile: whileUnrefreshed,
  options: {
    preSerialization: documentedFailures({ incomplete: 'email and password is required' }),
  },
  handler: (context: UserContext) => async (request, reply) => {
    rejectCrossOrigin(context, request, 'cookie');
    const replaced = await findReplacedSession(context, request, 'cookie');
    const { tokens } = await signIn(context, request, { credentials: request.body, replaced });
    setSessionCookies(context, reply, tokens);
    return { success: true as const, sessionData: sessionData(tokens), quote: anyQuote() };
  },
});
