import { Type } from 'typebox';
import {
  OriginRefused,
  PasswordCommon,
  PasswordLength,
  PasswordMalformed,
} from '@muniment/security';
import { defineRoute, strictObject } from '@muniment/server';
import { EmailMalformed, EmailTaken } from '../errors.ts';
import { findReplacedSession } from '../sessions/revoke-session.ts';
import {
  rejectCrossOrigin,
  sendTokens,
  sessionQuerySchema,
  whileUnrefreshed,
} from '../sessions/session-cookies.ts';
import {
  emailSchema,
  passwordSchema,
  personNameSchema,
  signedInSchema,
  toUserResource,
} from '../users/user-resource.ts';
import type { SignInContext } from './new-session.ts';
import { signUp } from './sign-up.ts';

const bodySchema = strictObject({
  email: emailSchema,
  password: passwordSchema,
  name: Type.Optional(personNameSchema),
  first_name: Type.Optional(personNameSchema),
  last_name: Type.Optional(personNameSchema),
  // Only administrators make administrators.
  type: Type.Optional(Type.Union([Type.Literal('customer'), Type.Literal('vendor')])),
});

/** Creates an account with its first session. Seed 000 calls it `/signup`. */
export const registerUser = defineRoute({
  method: 'POST',
  url: '/api/users/register',
  aliases: ['/signup'],
  operation: 'sign-in.register_user',
  summary: 'Create an account and log in to it.',
  access: 'public',
  query: sessionQuerySchema,
  body: bodySchema,
  response: { 201: signedInSchema },
  errors: [
    OriginRefused,
    EmailMalformed,
    EmailTaken,
    PasswordLength,
    PasswordMalformed,
    PasswordCommon,
  ],
  replayWhile: whileUnrefreshed,
  handler: (context: SignInContext) => async (request, reply) => {
    const { session: mode } = request.query;
    rejectCrossOrigin(context, request, mode);
    const replaced = await findReplacedSession(context, request, mode);
    const { user, tokens } = await signUp(context, request, {
      registration: request.body,
      replaced,
    });
    const sent = sendTokens(context, reply, { tokens, mode });
    return reply.code(201).send({ user: toUserResource(user), ...sent });
  },
});
