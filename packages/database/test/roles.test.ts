import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { test } from 'tap';
import { startPostgres } from '../../cluster/src/postgres/start-postgres.ts';
import { ROLES, ensureRolesAndDatabase, type Role } from '../src/roles.ts';
import { createTestDatabase, temporaryFolder } from '@muniment/testing';
import { asSuperuser } from './empty-database.ts';

const SERVICES = ['user_service', 'file_service', 'audit_service'] as const;
const ID = `'0190a1b2-c3d4-7e5f-8a9b-000000000001'`;
const ERASURE = 'insert into shared.erasures (user_id) values';

/** What each role must be able to do, and what none but these may. */
const RIGHTS: [statement: string, allowed: readonly Role[]][] = [
  // Each service has its own schema and no other's.
  ['select * from identity.users', ['user_service']],
  ['select password_hash from identity.users', ['user_service']],
  ['select foreign_hash from identity.users', ['user_service']],
  ['select wrapped_key from identity.signer_keys', ['user_service']],
  ['select wrapped_private from identity.signing_keys', ['user_service']],
  ['select * from identity.refresh_tokens', ['user_service']],
  ['select * from identity.sessions', ['user_service']],
  ['update identity.users set type = $$admin$$', ['user_service']],
  ['select * from identity.outbox', ['user_service']],
  ['select * from files.files', ['file_service']],
  ['update files.files set user_id = user_id', ['file_service']],
  ['select * from files.outbox', ['file_service']],
  ['select * from audit.outbox', ['audit_service']],
  ['select * from audit.lanes', ['audit_service']],
  // The signing keys can be retired and never be lost.
  ['delete from identity.signing_keys', []],
  // The trail is append-only, for its own service too.
  ['select count(*) from audit.events', ['audit_service']],
  [
    `
      insert into audit.events (id, source, lane, seq, action, outcome, request_id, timestamp,
        record)
      values (${ID}, 'user', 0, 1, 'A', 'success', 'r', now(), '{}')`,
    ['audit_service'],
  ],
  [`update audit.events set action = 'B'`, []],
  ['delete from audit.events', []],
  ['truncate audit.events', []],
  [`update audit.events_default set action = 'B'`, []],
  ['delete from audit.events_default', []],
  ['truncate audit.events_default', []],
  // Other partitions of the trail are reached through it alone.
  ['select * from audit.events_default', []],
  // Nobody touches the keys of subjects but through the functions.
  ['select * from keys.subject_keys', []],
  ['delete from keys.subject_keys', []],
  ['select * from keys.erased_subjects', []],
  ['delete from keys.erased_subjects', []],
  [`select * from keys.find_subject_key('x')`, SERVICES],
  [`select * from keys.create_subject_key('x', ${ID}, '\\x00')`, SERVICES],
  [`select * from keys.find_keys(array[${ID}]::uuid[])`, ['audit_service']],
  [`select keys.erase_subject('x')`, ['audit_service']],
  [`select keys.destroy_day_keys('2000-01-01')`, ['audit_service']],
  ['select audit.ensure_partitions(1)', ['audit_service']],
  // A deletion is ordered by the user service; each service ticks off its own part and no other.
  [`${ERASURE} (${ID})`, ['user_service']],
  ['select * from shared.erasures', SERVICES],
  ['update shared.erasures set identity_done = true', ['user_service']],
  ['update shared.erasures set files_done = true', ['file_service']],
  ['update shared.erasures set audit_done = true', ['audit_service']],
  ['update shared.erasures set requested_at = now()', []],
  [`update shared.erasures set user_id = ${ID}`, []],
  ['delete from shared.erasures', []],
  ['truncate shared.erasures', []],
  // What all may know of identity, to read and never to write.
  ['select * from shared.live_sessions', SERVICES],
  ['select * from shared.public_keys', SERVICES],
  ['select * from shared.revocations', SERVICES],
  // Only triggers insert revocations; the maintenance may only delete them.
  [`insert into identity.revocations values ('session', 'x', now(), now(), '1')`, []],
  ['update identity.revocations set counts_until = now()', []],
  ['delete from identity.revocations where counts_until < now()', ['user_service']],
  [`select identity.announce_revocation('session', 'x', now())`, []],
  ['select identity.access_tokens_end()', []],
  ['select * from shared.user_status', SERVICES],
  ['select * from shared.stored_watermarks', SERVICES],
  [`update shared.user_status set role = 'admin'`, []],
  [`update shared.public_keys set status = 'active'`, []],
  ['delete from shared.user_status', []],
  // Nobody but the owner changes the schema or what is recorded of it.
  ['create table public.mine (id int)', []],
  ['create schema mine', []],
  ['create table identity.mine (id int)', []],
  ['create table files.mine (id int)', []],
  ['create table audit.mine (id int)', []],
  ['create table shared.mine (id int)', []],
  ['alter table audit.events add column mine int', []],
  ['drop table audit.events', []],
  ['alter table audit.events disable trigger all', []],
  ['create index mine on audit.events (record)', []],
  [`insert into migrations.audit (name, timestamp) values ('x', 'x')`, []],
  ['delete from migrations.audit', []],
  ['select name from migrations.audit', SERVICES],
  ['create role mine', []],
  ['alter role file_service superuser', []],
  ['set role migrator', []],
  ['set role audit_service', ['audit_service']],
  [`select pg_read_file('/etc/passwd')`, []],
  [`copy (select 1) to program 'true'`, []],
];

/** Whether a role may run a statement; it leaves nothing behind. */
async function may(client: pg.Client, statement: string): Promise<boolean> {
  await client.query('begin');
  try {
    await client.query(statement);
    return true;
  } catch (error) {
    const { code, message } = error as pg.DatabaseError;
    if (code === '42501') return false;
    throw new Error(`${statement}: ${message}`, { cause: error });
  } finally {
    await client.query('rollback');
  }
}

test('every role may do what it needs and nothing else', async (t) => {
  const database = await createTestDatabase(t);
  for (const role of ROLES.filter((name) => name !== 'migrator')) {
    await t.test(role, async (t) => {
      const client = new pg.Client({ connectionString: database.url(role) });
      await client.connect();
      t.teardown(() => client.end());
      for (const [statement, allowed] of RIGHTS)
        t.equal(await may(client, statement), allowed.includes(role), statement);
    });
  }
});

test('no role of the product has superuser, role, database or replication rights', async (t) => {
  const database = await createTestDatabase(t);
  const client = new pg.Client({ connectionString: database.url() });
  await client.connect();
  t.teardown(() => client.end());
  const { rows } = await client.query(
    `
      select rolname from pg_roles
      where rolname = any($1)
        and (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls)`,
    [ROLES],
  );
  t.strictSame(rows, []);
  const { rows: members } = await client.query(
    'select from pg_auth_members m join pg_roles r on r.oid = m.member where r.rolname = any($1)',
    [ROLES],
  );
  t.strictSame(members, [], 'none is a member of another');
});

test("only the product's roles may connect, and no service may create a table", async (t) => {
  const name = `made_${randomBytes(8).toString('hex')}`;
  const stranger = `stranger_${randomBytes(4).toString('hex')}`;
  const url = new URL(process.env.TEST_POSTGRES_URL ?? '');
  const passwords = Object.fromEntries(ROLES.map((role) => [role, `test's`])) as Record<
    Role,
    string
  >;
  t.teardown(async () => {
    await asSuperuser(`drop database if exists ${name} with (force)`);
    await asSuperuser(`drop role if exists ${stranger}`);
  });
  await Promise.all([1, 2, 3].map(() => ensureRolesAndDatabase(url.href, name, passwords)));
  t.match(
    await asSuperuser(
      `select pg_get_userbyid(datdba) as owner, pg_encoding_to_char(encoding) as encoding, datlocale
        from pg_database where datname = '${name}'`,
    ),
    [{ owner: 'migrator', encoding: 'UTF8' }],
  );

  url.pathname = `/${name}`;
  for (const role of ROLES) {
    url.username = role;
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    t.equal(await may(client, 'create temporary table mine (id int)'), role === 'migrator', role);
    await client.end();
  }
  await asSuperuser(`create role ${stranger} login`);
  url.username = stranger;
  await t.rejects(new pg.Client({ connectionString: url.href }).connect(), { code: '42501' });
});

test('an admin who is no superuser can run it again with new passwords', async (t) => {
  // The shared server's roles were made by a superuser, and only a role's creator may alter it.
  const postgres = await startPostgres({
    dataDir: join(await temporaryFolder(t), 'postgres'),
    durable: false,
  });
  t.teardown(() => postgres.stop());
  const superuser = new pg.Client({ connectionString: postgres.superuserUrl });
  await superuser.connect();
  await superuser.query(`create role master login createrole createdb password 'test'`);
  const url = new URL(postgres.superuserUrl);
  url.username = 'master';
  const passwordsOf = (password: string) =>
    Object.fromEntries(ROLES.map((role) => [role, password])) as Record<Role, string>;
  const stored = async () =>
    (
      await superuser.query(
        `select rolname, rolpassword from pg_authid where rolname = any($1) order by rolname`,
        [ROLES],
      )
    ).rows;
  await ensureRolesAndDatabase(url.href, 'muniment', passwordsOf('first'));
  const first = await stored();
  await ensureRolesAndDatabase(url.href, 'muniment', passwordsOf('second'));
  const second = await stored();
  t.equal(second.length, ROLES.length);
  for (const [i, { rolname, rolpassword }] of second.entries())
    t.not(rolpassword, first[i]?.rolpassword, rolname);
  const { rows } = await superuser.query(
    `
      select pg_get_userbyid(datdba) as owner,
        has_database_privilege('user_service', oid, 'connect') as lets_in
      from pg_database where datname = 'muniment'`,
  );
  t.strictSame(rows, [{ owner: 'migrator', lets_in: true }]);
  const settings = await superuser.query(
    'select setrole::regrole::text as role, setconfig from pg_db_role_setting',
  );
  t.strictSame(settings.rows, [
    { role: 'audit_service', setconfig: ['plan_cache_mode=force_generic_plan'] },
  ]);
  const { rows: members } = await superuser.query(
    `
      select from pg_auth_members m
      where pg_get_userbyid(roleid) = 'migrator' and pg_get_userbyid(member) = 'master'
        and set_option`,
  );
  t.ok(members.length > 0, 'it may make a database that belongs to migrator');
  await superuser.end();
});
