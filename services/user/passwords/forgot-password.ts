import { Type } from 'typebox';
import type { UserContext } from '../context.ts';
import { parseEmail } from '../users/email-address.ts';
import { listDeviceTokens } from '../sign-in/device-tokens.ts';
import { requestRecovery } from './recovery.ts';
import { deviceTokenSchema, emailSchema } from '../users/user-resource.ts';

const bodySchema = Type.Object(
  { email: emailSchema, device_token: Type.Optional(deviceTokenSchema) },
  { additionalProperties: false },
);
const answerSchema = Type.Object({ status: Type.Literal('accepted') });

/** `POST /api/auth/forgot-password`: 202 whether or not there is such an account; if there is, a link goes to its address. */
export function forgotPasswordRoute(server: UserContext): void {
  server.app.route({
    method: 'POST',
    url: '/api/auth/forgot-password',
    schema: { body: bodySchema, response: { 202: answerSchema } },
    config: { operation: 'user.forgot_password', access: 'public' },
    handler: async (request, reply) => {
      await requestRecovery(
        server,
        request,
        parseEmail(request.body.email),
        server.languages.choose(request.headers['accept-language']),
        listDeviceTokens(server, request, request.body),
      );
      return reply.code(202).send({ status: 'accepted' });
    },
  });
}
