import { Type, type Static } from 'typebox';
import { uuidv7 } from '@muniment/audit-events';
import { passwordRefusal } from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import type { UserServer } from '../user-server.ts';
import { parseEmail } from '../email.ts';
import { EmailTaken } from '../errors.ts';
import { openSession } from '../open-session.ts';
import { insertUser } from '../queries/users.ts';
import { emailSchema, passwordSchema, personNameSchema, representUser, signedInSchema } from '../user-representation.ts';

const bodySchema = Type.Object({
  email: emailSchema,
  password: passwordSchema,
  name: Type.Optional(personNameSchema),
  first_name: Type.Optional(personNameSchema),
  last_name: Type.Optional(personNameSchema),
  // Admins are made by admins, never by signing up.
  type: Type.Optional(Type.Union([Type.Literal('customer'), Type.Literal('vendor')])),
}, { additionalProperties: false });

/** `POST /api/users/register`, and `POST /signup` as seed 000 calls it. */
export function registerRoute(server: UserServer): void {
  for (const url of ['/api/users/register', '/signup']) {
    server.app.route({
      method: 'POST',
      url,
      schema: { body: bodySchema, response: { 201: signedInSchema } },
      config: { operation: 'user.register', access: 'public' },
      handler: async (request, reply) => reply.code(201).send(await register(server, request, request.body)),
    });
  }
}

async function register(server: UserServer, request: RequestContext, body: Static<typeof bodySchema>): Promise<Static<typeof signedInSchema>> {
  const { email, emailKey } = parseEmail(body.email);
  // Hashed before the address is looked at: an address that is taken must not answer faster.
  const passwordHash = await server.passwords.hash(body.password).catch(async (error: unknown) => {
    const refusal = passwordRefusal(error);
    if (refusal) await server.recordFor(request, { action: 'SIGNUP_FAIL', outcome: 'failure', error: refusal, subject: { address: emailKey }, personal: { email } });
    throw error;
  });
  const signedIn = await server.inTransaction(request, async (trx, record) => {
    const user = await insertUser(trx, {
      id: uuidv7(Date.now()),
      type: body.type ?? 'customer',
      name: body.name ?? null,
      first_name: body.first_name ?? null,
      last_name: body.last_name ?? null,
      email,
      email_key: emailKey,
      password_hash: passwordHash,
    });
    if (!user) {
      await record({ action: 'SIGNUP_FAIL', outcome: 'failure', error: 'email_taken', subject: { address: emailKey }, personal: { email } });
      return undefined;
    }
    const tokens = await openSession(server, trx, request, user);
    await record({
      action: 'SIGNUP_SUCCESS', user_id: user.id, subject: { userId: user.id }, personal: { email },
      resource: user.id, resource_type: 'user', session_id: tokens.session_id, metadata: { type: user.type },
    });
    return { user: representUser(user), ...tokens };
  });
  if (!signedIn) throw new EmailTaken();
  return signedIn;
}
