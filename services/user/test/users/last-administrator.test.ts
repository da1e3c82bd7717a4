import { CompiledQuery } from 'kysely';
import { test } from 'tap';
import { untilBlocked } from '@muniment/testing';
import { makePrivilegedUser } from '../../sign-in/make-privileged-user.ts';
import { createUserErasure } from '../../users/erase-user.ts';
import { build, type TestServer } from '../build.ts';

const ADMINS = `select email from identity.users
  where type = 'admin' and status = 'active' and not service order by email`;

interface Admin {
  id: string;
  email: string;
  token: string;
  password: string;
}

async function newAdmin({ context }: TestServer, email: string): Promise<Admin> {
  const made = await makePrivilegedUser(context, { email, type: 'admin' });
  const { user_id: id, token, password = '' } = made;
  return { id, email, token, password };
}

const deleteOwn = ({ call }: TestServer, { token, password }: Admin) =>
  call('DELETE', '/api/users/me', { token, body: { password } });

async function remaining({ rows }: TestServer): Promise<string[]> {
  return (await rows<{ email: string }>(ADMINS)).map(({ email }) => email);
}

test('the last administrator cannot delete the own account, which is recorded', async (t) => {
  const server = await build(t);
  const [first, second] = [
    await newAdmin(server, 'first@example.com'),
    await newAdmin(server, 'second@example.com'),
  ];
  t.equal((await deleteOwn(server, first)).statusCode, 204);
  const refused = await deleteOwn(server, second);
  t.match(refused.json(), { status: 409, code: 'last_administrator' });
  t.strictSame(await remaining(server), ['second@example.com']);
  t.equal((await server.call('GET', '/api/users/me', { token: second.token })).statusCode, 200);
  t.match((await server.events()).at(-1), {
    action: 'USER_DELETED',
    outcome: 'failure',
    error: 'last_administrator',
    resource: second.id,
    user_id: second.id,
  });
});

test('the last administrator cannot become an auditor', async (t) => {
  const server = await build(t);
  const { context } = server;
  const first = await newAdmin(server, 'first@example.com');
  const demote = () => makePrivilegedUser(context, { email: 'first@example.com', type: 'auditor' });
  await t.rejects(demote(), { code: 'LAST_ADMINISTRATOR', statusCode: 409 });
  t.match((await server.events()).at(-1), {
    action: 'USER_UPDATED',
    outcome: 'failure',
    error: 'last_administrator',
    resource: first.id,
  });
  await newAdmin(server, 'second@example.com');
  t.match(await demote(), { user_id: first.id });
  t.strictSame(await remaining(server), ['second@example.com']);
});

test('no statement of an operator removes the last administrator', async (t) => {
  const server = await build(t);
  const { rows } = server;
  await newAdmin(server, 'first@example.com');
  const { id } = await newAdmin(server, 'second@example.com');
  const toProgram = 'update identity.users set service = true, password_hash = null';
  await rows(`${toProgram} where id = $1`, [id]);
  for (const statement of [
    `update identity.users set type = 'vendor'`,
    `update identity.users set status = 'suspended'`,
    toProgram,
    'delete from identity.users',
  ])
    await t.rejects(rows(statement), { code: '23001' }, statement);
  t.strictSame(await remaining(server), ['first@example.com'], 'a service account does not count');
  await rows(`update identity.users set email = 'other@example.com' where not service`);
});

test('the erasure of the last administrator waits for another one', async (t) => {
  const server = await build(t);
  const { data, crypto } = server.context;
  const { id } = await newAdmin(server, 'first@example.com');
  const { erase } = createUserErasure(data.db, crypto.subjectKeys);
  await t.rejects(erase(id), { code: '23001' });
  t.strictSame(await remaining(server), ['first@example.com']);
  await newAdmin(server, 'second@example.com');
  await erase(id);
  t.strictSame(await remaining(server), ['second@example.com']);
});

for (const [how, removal] of [
  ['deletion', 'delete from identity.users where id = $1'],
  ['suspension', `update identity.users set status = 'suspended' where id = $1`],
  ['demotion', `update identity.users set type = 'customer' where id = $1`],
] as const)
  test(`of two administrators, one removed by ${how}, the other stays`, async (t) => {
    const server = await build(t);
    const first = await newAdmin(server, 'first@example.com');
    const second = await newAdmin(server, 'second@example.com');
    const { call } = server;
    const { answer } = await server.context.data.db.transaction().execute(async (trx) => {
      await trx.executeQuery(CompiledQuery.raw(removal, [first.id]));
      // Its own look sees both: only the lock tells that the other removal is in progress.
      const answer = deleteOwn(server, second);
      await untilBlocked(server.rows, 'the second removal waits for the first');
      return { answer };
    });
    t.match((await answer).json(), { status: 409, code: 'last_administrator' });
    t.strictSame(await remaining(server), ['second@example.com']);
    t.equal((await call('GET', '/api/users/me', { token: second.token })).statusCode, 200);
  });
