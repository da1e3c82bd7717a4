import { Type } from 'typebox';
import { strictObject } from '@muniment/server';
import { signUpWithoutSession } from '../sign-in/sign-up.ts';
import { emailSchema, passwordSchema, personNameSchema } from '../users/user-resource.ts';
import { createdSchema, defineChannel } from './channel.ts';

/** Registers a user without a session, which a socket does not use. */
export const authRegister = defineChannel({
  name: 'auth/register',
  operation: 'web-socket.register_user',
  summary: 'Register a user, who then asks for a token.',
  answer: createdSchema,
  access: 'public',
  payload: strictObject({
    name: Type.Optional(personNameSchema),
    email: emailSchema,
    password: passwordSchema,
  }),
  async run(context, request, payload) {
    const { id } = await signUpWithoutSession(context, request, payload);
    return { success: true as const, userId: id };
  },
});
