import { Type } from 'typebox';
import { signUpWithoutSession } from '../sign-in/sign-up.ts';
import { emailSchema, passwordSchema, personNameSchema } from '../users/user-resource.ts';
import { defineChannel } from './channel.ts';

/** A new account, by the way of `POST /api/users/register`, but without a session: a socket has no use for one. */
export const authRegister = defineChannel({
  name: 'auth/register',
  token: false,
  payload: Type.Object(
    { name: Type.Optional(personNameSchema), email: emailSchema, password: passwordSchema },
    { additionalProperties: false },
  ),
  run: async (server, request, payload) => ({
    success: true,
    userId: (await signUpWithoutSession(server, request, payload)).id,
  }),
});
