import { Type } from 'typebox';
import {
  OriginRefused,
  PasswordCommon,
  PasswordLength,
  PasswordMalformed,
} from '@muniment/security';
import { defineRoute, strictObject } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { EmailMalformed, EmailTaken } from '../errors.ts';
import { findReplacedSession } from '../sessions/revoke-session.ts';
import {
  rejectCrossOrigin,
  setSessionCookies,
  whileUnrefreshed,
} from '../sessions/session-cookies.ts';
import { signUp } from '../sign-in/sign-up.ts';
import { emailSchema, passwordSchema, personNameSchema } from '../users/user-resource.ts';
import { anyQuote } from './quotes.ts';
import { documentedFailures, failureSchema, sessionData, sessionDataSchema } from './shapes.ts';

const bodySchema = strictObject({
  email: emailSchema,
  firstname: personNameSchema,
  lastname: personNameSchema,
  password: passwordSchema,
});
const userDataSchema = Type.Object({
  email: Type.String(),
  firstname: Type.String(),
  lastname: Type.String(),
});
const answerSchema = Type.Object({
  success: Type.Literal(true),
  userData: userDataSchema,
  sessionData: sessionDataSchema,
  quote: Type.String(),
});

/** The document's own words, with its spelling. */
const INCOMPLETE = 'email, firstnme, lstname, password is required';

/** Registers a user, as seed 004 documents it; always in cookie mode. */
export const register = defineRoute({
  method: 'POST',
  url: '/api/v1/auth/register',
  operation: 'seed-004.register_user',
  summary: 'Create an account and sign in.',
  access: 'public',
  body: bodySchema,
  response: { 201: answerSchema },
  errors: [
    OriginRefused,
    EmailMalformed,
    EmailTaken,
    PasswordCommon,
    PasswordLength,
    PasswordMalformed,
  ],
  failure: failureSchema,
  replayWhile: whileUnrefreshed,
  options: { preSerialization: documentedFailures({ incomplete: INCOMPLETE }) },
  handler: (context: UserContext) => async (request, reply) => {
    rejectCrossOrigin(context, request, 'cookie');
    const { email, password, firstname, lastname } = request.body;
    const registration = { email, password, first_name: firstname, last_name: lastname };
    const replaced = await findReplacedSession(context, request, 'cookie');
    const { user, tokens } = await signUp(context, request, { registration, replaced });
    setSessionCookies(context, reply, tokens);
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
