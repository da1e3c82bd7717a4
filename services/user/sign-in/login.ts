import { OriginRefused } from '@muniment/security';
import { Type } from 'typebox';
import { defineRoute, strictObject } from '@muniment/server';
import { EmailMalformed, InvalidCredentials, PasswordChangeRequired } from '../errors.ts';
import { findReplacedSession } from '../sessions/revoke-session.ts';
import {
  rejectCrossOrigin,
  sendTokens,
  sessionQuerySchema,
  whileUnrefreshed,
} from '../sessions/session-cookies.ts';
import {
  deviceTokenSchema,
  emailSchema,
  passwordSchema,
  signedInSchema,
  toUserResource,
} from '../users/user-resource.ts';
import type { SignInContext } from './new-session.ts';
import { signIn } from './sign-in.ts';

const bodySchema = strictObject({
  email: emailSchema,
  password: passwordSchema,
  device_token: Type.Optional(deviceTokenSchema),
});

/** Opens a session by address and password. `/login` is its path in seed 000. */
export const logInUser = defineRoute({
  method: 'POST',
  url: '/api/users/login',
  aliases: ['/login'],
  operation: 'sign-in.log_in_user',
  summary: 'Log in by e-mail address and password.',
  access: 'public',
  query: sessionQuerySchema,
  body: bodySchema,
  response: { 200: signedInSchema },
  errors: [OriginRefused, EmailMalformed, InvalidCredentials, PasswordChangeRequired],
  replayWhile: whileUnrefreshed,
  handler: (context: SignInContext) => async (request, reply) => {
    const { session: mode } = request.query;
    rejectCrossOrigin(context, request, mode);
    const replaced = await findReplacedSession(context, request, mode);
    const { user, tokens } = await signIn(context, request, {
      credentials: request.body,
      replaced,
    });
    return { user: toUserResource(user), ...sendTokens(context, reply, { tokens, mode }) };
  },
});
