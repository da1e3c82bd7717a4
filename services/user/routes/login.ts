import { Type } from 'typebox';
import type { UserServer } from '../user-server.ts';
import { signIn } from '../sign-in.ts';
import { emailSchema, passwordSchema, representUser, signedInSchema } from '../user-representation.ts';

const bodySchema = Type.Object({ email: emailSchema, password: passwordSchema }, { additionalProperties: false });

/** `POST /api/users/login`, and `POST /login` as seed 000 calls it. */
export function loginRoute(server: UserServer): void {
  for (const url of ['/api/users/login', '/login']) {
    server.app.route({
      method: 'POST',
      url,
      schema: { body: bodySchema, response: { 200: signedInSchema } },
      config: { operation: 'user.login', access: 'public' },
      handler: async (request) => {
        const { user, tokens } = await signIn(server, request, request.body);
        return { user: representUser(user), ...tokens };
      },
    });
  }
}
