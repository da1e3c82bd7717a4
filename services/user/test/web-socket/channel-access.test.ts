import { randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { test } from 'tap';
import {
  createApiToken,
  hashApiToken,
  roleAllows,
  ROLES,
  TOKEN_SCOPES,
  type Permission,
  type Role,
} from '@muniment/security';
import { requestContext, signIn } from '@muniment/testing';
import { channels, createMessages } from '../../web-socket/answer-message.ts';
import { makePrivilegedUser } from '../../sign-in/make-privileged-user.ts';
import { build, type TestServer } from '../build.ts';

const ABSENT = '01890000-0000-7000-8000-000000000000';

/** What each channel is sent about a user. */
const payloads: Record<string, (id: string) => object> = {
  'user/create': () => ({ email: `${randomUUID()}@example.com` }),
  'user/read': (id) => ({ id }),
  'user/update': (id) => ({ id, name: 'Ada' }),
  'user/delete': (id) => ({ id }),
};

interface Account {
  id: string;
  token: string;
}

/** A new account with a token of any scopes, also where its role could not get them. */
async function newAccount(
  { rows }: TestServer,
  role: Role,
  scopes: readonly Permission[],
): Promise<Account> {
  const { userId: id } = await signIn(rows, { role });
  const token = createApiToken();
  await rows(
    `insert into identity.api_tokens (id, user_id, token_hash, name, scopes, expires_at)
     values (uuidv7(), $1, $2, 'x', $3, now() + interval '1 day')`,
    [id, hashApiToken(token), scopes],
  );
  return { id, token };
}

function createSender({ context }: TestServer) {
  const answer = createMessages(context);
  const handshake = requestContext() as unknown as FastifyRequest;
  return async (channel: string, payload: object, apiToken?: string): Promise<string> => {
    const message = { channel, payload, ...(apiToken !== undefined && { apiToken }) };
    return (await answer(handshake, JSON.stringify(message))).outcome;
  };
}

test('each channel answers only tokens that the permission table admits', async (t) => {
  const server = await build(t);
  const send = createSender(server);
  for (const { name, access } of channels) {
    if (access === 'public') continue;
    const payload = payloads[name];
    if (!payload) throw new Error(`the channel ${name} has no payload here`);
    t.equal(await send(name, payload(ABSENT)), 'unauthenticated', `${name} without a token`);
    for (const role of ROLES)
      for (const whose of ['own', 'any'] as const) {
        const permission = (whose === 'own' && access.own) || access.any;
        const what = `${name} by ${role}, ${whose}`;
        const account = await newAccount(server, role, TOKEN_SCOPES);
        const id = whose === 'own' ? account.id : ABSENT;
        const outcome = await send(name, payload(id), account.token);
        if (roleAllows(role, permission) && roleAllows(role, 'tokens:manage'))
          t.match(outcome, /^(success|user_not_found)$/, what);
        else t.equal(outcome, 'permission_denied', what);
      }
    for (const whose of ['own', 'any'] as const) {
      const permission = (whose === 'own' && access.own) || access.any;
      const others = TOKEN_SCOPES.filter((scope) => scope !== permission);
      const { id, token } = await newAccount(server, 'admin', others);
      const outcome = await send(name, payload(whose === 'own' ? id : ABSENT), token);
      t.equal(outcome, 'insufficient_scope', `${name}, ${whose}, by a token without the scope`);
    }
  }
});

test('an auditor gets no API token for the password, which is recorded', async (t) => {
  const server = await build(t);
  const send = createSender(server);
  const email = 'eve@example.com';
  const { user_id: id, password } = await makePrivilegedUser(server.context, {
    email,
    type: 'auditor',
  });
  t.equal(await send('auth/generateToken', { email, password }), 'permission_denied');
  t.match((await server.events()).at(-1), {
    action: 'API_TOKEN_CREATED',
    outcome: 'failure',
    error: 'permission_denied',
    user_id: id,
  });
  t.strictSame(await server.rows('select from identity.api_tokens'), []);
});

test('the last administrator cannot be deleted by their own token', async (t) => {
  const server = await build(t);
  const send = createSender(server);
  const { id, token } = await newAccount(server, 'admin', ['profile:delete']);
  t.equal(await send('user/delete', { id }, token), 'last_administrator');
  t.match((await server.events()).at(-1), {
    action: 'USER_DELETED',
    outcome: 'failure',
    error: 'last_administrator',
    resource: id,
  });
  await signIn(server.rows, { role: 'admin' });
  t.equal(await send('user/delete', { id }, token), 'success');
});
