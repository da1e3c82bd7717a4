import { Type } from 'typebox';
import { uuidv7 } from '@muniment/database';
import { principalOf, Unauthenticated } from '@muniment/security';
import { defineRoute, strictObject } from '@muniment/server';
import type { Transaction } from 'kysely';
import type { UserContext } from '../context.ts';
import type { Tables, User } from '../tables.ts';
import { isCallerLive } from '../users/caller-queries.ts';
import { insertUser } from '../users/user-queries.ts';
import { personNameSchema } from '../users/user-resource.ts';
import { serviceAccountCreated } from './api-token-events.ts';
import { serviceAccountSchema, toServiceAccountResource } from './service-account-resource.ts';

const typeSchema = Type.Union(
  [Type.Literal('customer'), Type.Literal('vendor'), Type.Literal('admin')],
  { description: 'Bounds the scopes of its tokens.' },
);

/** Creates an account for a program, with tokens but without login. */
export const createServiceAccount = defineRoute({
  method: 'POST',
  url: '/api/users/service-accounts',
  operation: 'api-tokens.create_service_account',
  summary: 'Create a service account.',
  access: { permission: 'service-accounts:manage' },
  body: strictObject({ name: personNameSchema, type: typeSchema }),
  response: { 201: serviceAccountSchema },
  errors: [],
  handler:
    ({ data }: Pick<UserContext, 'data'>) =>
    async (request, reply) => {
      const account = await data.inTransaction(request, async (trx, record) => {
        if (!(await isCallerLive(trx, principalOf(request)))) throw new Unauthenticated();
        const created = await insertServiceAccount(trx, request.body);
        await record(serviceAccountCreated(created.id, created.type));
        return created;
      });
      return reply.code(201).send(toServiceAccountResource(account));
    },
});

async function insertServiceAccount(
  trx: Transaction<Tables>,
  { name, type }: { name: string; type: User['type'] },
): Promise<User> {
  const id = uuidv7(Date.now());
  // Nobody can own this domain (RFC 2606 §2), so no mail arrives anywhere.
  const email = `${id}@service.invalid`;
  const user = await insertUser(trx, {
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
  if (!user) throw new Error('a new id exists already');
  return user;
}
