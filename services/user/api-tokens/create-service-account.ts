import { Type } from 'typebox';
import { uuidv7 } from '@muniment/database';
import { principalOf, Unauthenticated } from '@muniment/security';
import { isCallerLive } from '../users/caller-queries.ts';
import { insertUser } from '../users/user-queries.ts';
import { toServiceAccountResource, serviceAccountSchema } from './service-account-resource.ts';
import type { UserContext } from '../context.ts';
import { personNameSchema } from '../users/user-resource.ts';

const bodySchema = Type.Object(
  {
    name: personNameSchema,
    type: Type.Union([Type.Literal('customer'), Type.Literal('vendor'), Type.Literal('admin')], {
      description: 'The most that its tokens may be made for.',
    }),
  },
  { additionalProperties: false },
);

/** `POST /api/users/service-accounts`: an account for a program. Nobody can sign in to it; an administrator makes its tokens. */
export function createServiceAccountRoute({ app, inTransaction }: UserContext): void {
  app.route({
    method: 'POST',
    url: '/api/users/service-accounts',
    schema: { body: bodySchema, response: { 201: serviceAccountSchema } },
    config: {
      operation: 'service_account.create',
      access: { permission: 'service-accounts:manage' },
    },
    handler: async (request, reply) => {
      const { name, type } = request.body;
      const account = await inTransaction(request, async (trx, record) => {
        if (!(await isCallerLive(trx, principalOf(request)))) throw new Unauthenticated();
        const id = uuidv7(Date.now());
        // RFC 2606 §2: nobody can own this domain, so nothing that is sent there arrives anywhere.
        const email = `${id}@service.invalid`;
        const made = await insertUser(trx, {
          id,
          type,
          name,
          first_name: null,
          last_name: null,
          email,
          email_key: email,
          password_hash: null,
          service: true,
        });
        if (!made) throw new Error('a new id was there already');
        await record({
          action: 'USER_CREATED',
          resource: id,
          resource_type: 'user',
          metadata: { type, service: true },
        });
        return made;
      });
      return reply.code(201).send(toServiceAccountResource(account));
    },
  });
}
