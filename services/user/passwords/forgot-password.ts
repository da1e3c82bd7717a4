import { Type } from 'typebox';
import { defineRoute, strictObject } from '@muniment/server';
import { EmailMalformed } from '../errors.ts';
import { deviceTokenSchema, emailSchema } from '../users/user-resource.ts';
import { requestRecovery, type RecoveryContext } from './request-recovery.ts';

const bodySchema = strictObject({
  email: emailSchema,
  device_token: Type.Optional(deviceTokenSchema),
});

/** Answers 202 whether or not the account exists; its owner gets a link. */
export const forgotPassword = defineRoute({
  method: 'POST',
  url: '/api/auth/forgot-password',
  operation: 'passwords.forgot_password',
  summary: 'Ask for a mail with a link to a new password.',
  access: 'public',
  body: bodySchema,
  response: { 202: Type.Object({ status: Type.Literal('accepted') }) },
  errors: [EmailMalformed],
  handler: (context: RecoveryContext) => async (request, reply) => {
    await requestRecovery(context, request, request.body);
    return reply.code(202).send({ status: 'accepted' });
  },
});
