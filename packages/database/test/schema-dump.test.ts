import { readFile } from 'node:fs/promises';
import { test } from 'tap';
import { SCHEMA_FILE, dumpSchema } from '../../../scripts/schema-dump.ts';
import { migrationSets } from '../../../scripts/migrations.ts';
import { migrateDown, migrateToLatest } from '../src/migrate.ts';
import { createTestDatabase } from '@muniment/testing';
import { asSuperuser, createEmptyDatabase } from './empty-database.ts';

test('the committed schema.sql matches the migrations (scripts/schema-dump.ts)', async (t) => {
  const database = await createTestDatabase(t);
  t.equal(await dumpSchema(database.url()), await readFile(SCHEMA_FILE, 'utf8'));
});

test('each kind of change shows in the dump, and the month does not', async (t) => {
  const database = await createTestDatabase(t);
  const name = new URL(database.url()).pathname.slice(1);
  const before = await dumpSchema(database.url());
  const changes = [
    'alter table identity.users add column nickname text',
    'alter table identity.users alter column name set not null',
    `alter table identity.users alter column status set default 'pending'`,
    'alter table identity.users add constraint named check (name is not null)',
    'create index users_name on identity.users (name)',
    'grant select on identity.users to file_service',
    'grant select (kid) on identity.signing_keys to file_service',
    'grant usage on schema files to public',
    `
      create or replace view shared.user_status with (security_barrier) as
        select id as user_id, type as role, 'active'::text as status from identity.users`,
    'alter function keys.find_keys(uuid[]) security invoker',
    'grant execute on function keys.find_keys(uuid[]) to public',
    'alter table files.files owner to file_service',
    `
      create trigger suppressed before update on identity.users
        for each row execute function suppress_redundant_updates_trigger()`,
  ];
  for (const change of changes) {
    const clone = `${name}_c`;
    await asSuperuser(`create database ${clone} template ${name}`);
    try {
      await asSuperuser(change, clone);
      const url = new URL(database.url());
      url.pathname = `/${clone}`;
      t.not(await dumpSchema(url.href), before, change);
    } finally {
      await asSuperuser(`drop database ${clone} with (force)`);
    }
  }
  await asSuperuser('select audit.ensure_partitions(20)', name);
  t.equal(await dumpSchema(database.url()), before);
});

test('all migrations can be taken down, and up again they make the same schema', async (t) => {
  const database = await createEmptyDatabase(t);
  const applied = await migrateToLatest(database.url('migrator'), migrationSets);
  t.ok(applied.length >= migrationSets.length);
  const first = await dumpSchema(database.url('postgres'));
  await migrateDown(database.url('migrator'), migrationSets);
  t.strictSame(
    await asSuperuser(
      `
        select nspname from pg_namespace
        where nspname in ('identity', 'files', 'audit', 'shared', 'keys')`,
      database.name,
    ),
    [],
  );
  t.strictSame(await migrateToLatest(database.url('migrator'), migrationSets), applied);
  t.equal(await dumpSchema(database.url('postgres')), first);
});
