import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { test, type Test } from 'tap';
import { Type } from 'typebox';
import { connectSuperuser, type TestDatabase } from '@muniment/testing';
import { addRoute } from './add-route.ts';
import { createServer, loadConfig, serverSettings } from '../src/index.ts';
import { build, checkProblem, environment } from './build.ts';

const options = (
  env: Record<string, string>,
  migrations: { name: string; folder: string }[] = [],
) => ({
  service: 'user' as const,
  schema: 'identity' as const,
  source: 'user' as const,
  config: loadConfig(Type.Object(serverSettings), env),
  migrations,
  erasure: () => ({ column: 'identity_done' as const, erase: async () => {} }),
});

async function connections(t: Test, database: TestDatabase): Promise<number> {
  const client = await connectSuperuser(t, database);
  return Number(
    (
      await client.query(
        'select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      )
    ).rows[0].count,
  );
}

test('a server is not made over a database that lacks a migration, and leaves no connection behind', async (t) => {
  const { env, database } = await environment(t);
  const folder = join(env.MASTER_KEY_FILE ?? '', '../migrations');
  await mkdir(folder);
  await writeFile(join(folder, '0099_tomorrow.ts'), 'export const up = () => {};');
  await t.rejects(createServer(options(env, [{ name: 'user', folder }])), /user\/0099_tomorrow/);
  t.equal(await connections(t, database), 0);
});

test('a server is not made without its master key', async (t) => {
  const { env } = await environment(t);
  await t.rejects(
    createServer(options({ ...env, MASTER_KEY_FILE: join(t.testdirName, 'none.key') })),
  );
});

test("a server is not made without the gateway's secret", async (t) => {
  const { env } = await environment(t);
  const file = join(t.testdirName, 'none.secret');
  await t.rejects(createServer(options({ ...env, GATEWAY_SECRET_FILE: file })), {
    message: /none\.secret cannot be read/,
  });
});

test('a route that does not say who may call it keeps the server from being used', async (t) => {
  const { app } = await build(t);
  t.throws(() => app.get('/open', {}, () => ({})), /does not say who may call it/);
});

test('a signed-in route refuses who has no token, and a closed server has given back its connections', async (t) => {
  const { app, db } = await build(t);
  addRoute(app, { url: '/mine', access: { permission: 'files:read' }, handler: () => ({}) });
  for (const headers of [{}, { authorization: 'Bearer x' }, { authorization: 'Basic eDp5' }])
    checkProblem(t, await app.inject({ url: '/mine', headers }), 401, 'unauthenticated');
  await sql`select 1`.execute(db);
  await app.close();
  await t.rejects(sql`select 1`.execute(db));
});

test('a response holds what its schema names and nothing else', async (t) => {
  const { app } = await build(t);
  addRoute(app, {
    url: '/narrow',
    response: { 200: Type.Object({ id: Type.String() }) },
    handler: () => ({ id: 'a', password_hash: 'hunter2' }),
  });
  t.strictSame((await app.inject('/narrow')).json(), { id: 'a' });
});

test('a problem keeps its form on a route whose responses have schemas', async (t) => {
  const { app } = await build(t);
  addRoute(app, {
    url: '/narrow',
    response: { 200: Type.Object({ id: Type.String() }), 404: Type.Object({ id: Type.String() }) },
    handler: () => {
      throw Object.assign(new Error('no'), { statusCode: 404 });
    },
  });
  checkProblem(t, await app.inject('/narrow'), 404, 'not_found');
});
