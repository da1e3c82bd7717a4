import { test } from 'tap';
import { sql } from 'kysely';
import { createDatabase } from '@muniment/database';
import { storeBatch } from '../../consumer/store-batch.ts';
import { runMaintenance } from '../../maintenance.ts';
import { build } from '../build.ts';
import { aLease, aRecord, anEvent } from '../records.ts';

const REFUSED = /permission denied|must be owner/;

test("the service's role can neither change nor delete anything in the log", async (t) => {
  const { db, server, superuser } = await build(t);
  await storeBatch({ db, ttlMs: 5_000 }, await aLease(db), { records: [aRecord(anEvent())] });
  const [event] = (
    await superuser.query<{ id: string; month: string }>(
      'select id, tableoid::regclass::text as month from audit.events',
    )
  ).rows;
  // One that is made after the grants were: those of a partition are its own.
  const partition = event?.month.replace('audit.', '') ?? '';
  const later =
    (
      await superuser.query<{ name: string }>(
        `
          select max(relname) as name from pg_class
          where relname ~ '^events_[0-9]{4}_[0-9]{2}$' and relnamespace = 'audit'::regnamespace`,
      )
    ).rows[0]?.name ?? '';
  await superuser.query(`drop table audit.${later}`);
  await runMaintenance(server);

  const { rows: tables } = await superuser.query<{ name: string }>(`
    select relname as name from pg_class
    where relnamespace = 'audit'::regnamespace and relkind in ('r', 'p')
      and (relname ~ '^events' or relname in ('sealed', 'tiles', 'checkpoints'))`);
  t.ok(
    tables.length >= 8 &&
      tables.some(({ name }) => name === later) &&
      tables.some(({ name }) => name === partition),
    tables.map(({ name }) => name).join(),
  );

  for (const { name } of tables) {
    const table = `audit.${name}`;
    const column =
      (
        await superuser.query<{ name: string }>(
          'select attname as name from pg_attribute where attrelid = $1::regclass and attnum = 1',
          [table],
        )
      ).rows[0]?.name ?? '';
    const statements = [
      `update ${table} set ${column} = ${column}`,
      `delete from ${table}`,
      `truncate ${table}`,
      `drop table ${table}`,
      `alter table ${table} rename to gone`,
      `alter table ${table} add column more text`,
      `alter table ${table} drop column ${column}`,
      `alter table ${table} disable trigger all`,
      `alter table ${table} owner to audit_service`,
      `create trigger t before insert on ${table}
        execute function suppress_redundant_updates_trigger()`,
      `create rule r as on insert to ${table} do instead nothing`,
      `create index on ${table} (${column})`,
      `merge into ${table} m using (select 1) s on true when matched then delete`,
      `insert into ${table} select * from ${table}
        on conflict on constraint ${name}_pkey do update set ${column} = excluded.${column}`,
      ...(name.startsWith('events_')
        ? [
            `select * from ${table}`,
            `insert into ${table} select * from audit.events`,
            `alter table audit.events detach partition ${table}`,
          ]
        : []),
    ];
    for (const statement of statements)
      await t.rejects(sql.raw(statement).execute(db), REFUSED, statement);
  }
  // A role can grant itself no more than it has, without an error.
  for (const { name } of tables)
    await sql
      .raw(`grant all on audit.${name} to audit_service`)
      .execute(db)
      .catch(() => {});
  const { rows: may } = await superuser.query(
    `
    select relname, privilege
    from pg_class,
      unnest(array['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES', 'MAINTAIN']) privilege
    where oid = any($1::regclass[]) and has_table_privilege('audit_service', oid, privilege)`,
    [tables.map(({ name }) => `audit.${name}`)],
  );
  t.same(may, []);
  t.equal(
    (await superuser.query('select 1 from audit.events where id = $1', [event?.id])).rowCount,
    1,
  );
});

test('nor can it drop the schema, become another role, or call what retention does', async (t) => {
  const { db } = await build(t);
  const statements = [
    'drop schema audit cascade',
    'drop owned by migrator',
    'reassign owned by migrator to audit_service',
    'set role migrator',
    'set role audit_retention',
    'set session authorization migrator',
    'create table audit.mine ()',
    "select audit.drop_archived_month('2025_03', 1, 'a', 1)",
    "select audit.record_archive('2025_03', 'k', 0, null, null, 0, 0, '', 'a', 1)",
    "select audit.begin_restore('2025_03', 'a', 1)",
    "select audit.finish_restore('2025_03', 1, 'a', 1)",
    'delete from audit.archives',
    "insert into audit.archives (month) values ('2025_03')",
    'update audit.archives set keep_until = now()',
    'update audit.archives set rows = 0',
  ];
  for (const statement of statements)
    await t.rejects(sql.raw(statement).execute(db), REFUSED, statement);
});

test('the role of retention can do nothing but what its functions allow', async (t) => {
  const { database } = await build(t);
  const { db } = createDatabase<unknown>({
    url: database.url('audit_retention'),
    applicationName: 'test',
  });
  t.teardown(() => db.destroy());
  const statements = [
    ...[
      'audit.events',
      'audit.events_default',
      'audit.sealed',
      'audit.tiles',
      'audit.checkpoints',
      'audit.search_terms',
      'keys.subject_keys',
      'audit.outbox',
      'audit.leases',
    ].flatMap((table) => [
      `select * from ${table}`,
      `insert into ${table} default values`,
      `delete from ${table}`,
      `truncate ${table}`,
      `drop table ${table}`,
    ]),
    'alter table audit.events detach partition audit.events_default',
    'delete from audit.archives',
    'update audit.archives set rows = 0',
    'create table audit.mine ()',
    "select audit.require_partition('2025_03', 0, null, null, 0)",
    "select audit.delete_search_terms('x')",
    'set role migrator',
    'drop schema audit cascade',
  ];
  for (const statement of statements)
    await t.rejects(sql.raw(statement).execute(db), REFUSED, statement);
});

test('rows outside of every month are counted for the alarm', async (t) => {
  const { db, server } = await build(t);
  const rows = async (): Promise<string | undefined> =>
    /^muniment_audit_default_partition_rows\S* (\S+)$/m.exec(await server.metrics.metrics())?.[1];
  t.equal(await rows(), '0');
  await storeBatch({ db, ttlMs: 5_000 }, await aLease(db), {
    records: [aRecord(anEvent({ id: '01000000-0000-7000-8000-000000000001' }))],
  });
  t.equal(await rows(), '1');
});
