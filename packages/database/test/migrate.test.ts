import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { sql } from 'kysely';
import { test, type Test } from 'tap';
import { migrationSets } from '../../../scripts/migrations.ts';
import { createDatabase, verifyMigrated } from '../src/index.ts';
import { migrateToLatest } from '../src/migrate.ts';
import { ROLES } from '../src/roles.ts';
import { createTestDatabase } from '@muniment/testing';
import { asSuperuser, createEmptyDatabase } from './empty-database.ts';

const table = (name: string) => `
  export async function up(db) {
    await db.schema.createTable(${JSON.stringify(name)}).addColumn('id', 'integer').execute();
  }
  export async function down(db) { await db.schema.dropTable(${JSON.stringify(name)}).execute(); }`;
const BROKEN = `export async function up(db) {
  await db.schema.createTable('half').addColumn('id', 'integer').execute();
  throw new Error('the second half fails');
}`;

const tablesIn = async (database: string) =>
  (
    await asSuperuser<{ name: string }>(
      `select tablename as name from pg_tables where schemaname = 'public' order by 1`,
      database,
    )
  ).map(({ name }) => name);

/** A database whose `migrator` may create tables in `public`. */
async function playground(t: Test) {
  const database = await createEmptyDatabase(t);
  await asSuperuser('grant create on schema public to migrator', database.name);
  return database;
}

test('starts that run at once apply each migration once', async (t) => {
  const database = await playground(t);
  const folder = t.testdir({ '0001_a.ts': table('a'), '0002_b.ts': table('b') });
  const applied = await Promise.all(
    Array.from({ length: 4 }, () =>
      migrateToLatest(database.url('migrator'), [{ name: 'probe', folder }]),
    ),
  );
  t.strictSame(applied.flat().sort(), ['probe/0001_a', 'probe/0002_b']);
  t.strictSame(await tablesIn(database.name), ['a', 'b']);
});

test('a failed migration is rolled back whole, and earlier ones stay', async (t) => {
  const database = await playground(t);
  const folder = t.testdir({
    '0001_a.ts': table('a'),
    '0002_broken.ts': BROKEN,
    '0003_c.ts': table('c'),
  });
  await t.rejects(
    migrateToLatest(database.url('migrator'), [{ name: 'probe', folder }]),
    /the second half fails/,
  );
  const left = await tablesIn(database.name);
  t.notOk(left.includes('half') || left.includes('c'), left.join());
  const recorded = await asSuperuser<{ name: string }>(
    'select name from migrations.probe order by 1',
    database.name,
  );
  t.strictSame(
    recorded.map(({ name }) => name),
    left.includes('a') ? ['0001_a'] : [],
    'the record says what is there',
  );
});

test('what is no numbered migration is not run', async (t) => {
  const database = await playground(t);
  const folder = t.testdir({
    '0001_a.ts': table('a'),
    'README.md': '',
    '0002-b.ts': table('b'),
    'draft.ts': table('c'),
    '0003_d.js': table('d'),
  });
  t.strictSame(await migrateToLatest(database.url('migrator'), [{ name: 'probe', folder }]), [
    'probe/0001_a',
  ]);
});

test('a service does not start on a database that lacks one of its migrations', async (t) => {
  const database = await createTestDatabase(t);
  const { db } = createDatabase({ url: database.url('user_service'), applicationName: 'test' });
  t.teardown(() => db.destroy());
  for (const set of migrationSets) await verifyMigrated(db, [set]);
  const user = migrationSets.find(({ name }) => name === 'user');
  const ahead = {
    name: 'user',
    folder: t.testdir({ '0001_identity.ts': table('a'), '0099_tomorrow.ts': table('b') }),
  };
  await t.rejects(
    verifyMigrated(db, [ahead]),
    /lacks the migrations user\/0099_tomorrow.*scripts\/migrate\.ts/,
  );
  await sql`select 1`.execute(db);
  await asSuperuser(
    `insert into migrations.user (name, timestamp) values ('0100_newer', 'x')`,
    new URL(database.url()).pathname.slice(1),
  );
  await verifyMigrated(db, user ? [user] : []);
});

interface Run {
  code: number | null;
  output: string;
}

/** Runs scripts/migrate.ts as a start of the fleet does; its database's name is fixed. */
function runMigrate(variables: Record<string, string> = {}): Promise<Run> {
  const passwords = Object.fromEntries(
    ROLES.map((role) => [`${role.toUpperCase()}_PASSWORD`, 'hunter2']),
  );
  const env = {
    ...process.env,
    DATABASE_ADMIN_URL: process.env.TEST_POSTGRES_URL,
    ...passwords,
    ...variables,
  };
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, '../../../scripts/migrate.ts')],
    { env },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output += String(chunk);
    });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
}

test('scripts/migrate.ts creates the database once, and exits with 1 on failure', async (t) => {
  const drop = () => asSuperuser('drop database if exists muniment with (force)');
  await drop();
  t.teardown(drop);

  // A schema that stands in the way of the first migration.
  await asSuperuser(
    `create database muniment owner migrator template template0 encoding 'UTF8' locale 'C.UTF-8'`,
  );
  await asSuperuser('create schema files', 'muniment');
  const failed = await runMigrate();
  t.equal(failed.code, 1, failed.output);
  t.match(failed.output, /migration failed: .*files/);
  t.notMatch(failed.output, 'hunter2');
  t.strictSame(
    await asSuperuser(
      `select nspname from pg_namespace where nspname in ('identity', 'audit', 'shared', 'keys')`,
      'muniment',
    ),
    [],
    'nothing of it stays',
  );
  await drop();

  const runs = await Promise.all([runMigrate(), runMigrate(), runMigrate()]);
  t.strictSame(
    runs.map(({ code }) => code),
    [0, 0, 0],
    runs.map(({ output }) => output).join(),
  );
  t.equal(runs.filter(({ output }) => output.includes('applied database/0001_schemas')).length, 1);
  t.equal(runs.filter(({ output }) => output.includes('schema is up to date')).length, 2);

  const missing = await runMigrate({ FILE_SERVICE_PASSWORD: '' });
  t.equal(missing.code, 1);
  t.match(missing.output, 'FILE_SERVICE_PASSWORD is not set');
});
