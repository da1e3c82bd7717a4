import pg from 'pg';
import { test, type Test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { migrateToLatest, revertLast } from '../src/migrate.ts';
import { asSuperuser, createEmptyDatabase } from './empty-database.ts';

const TABLE_A = `
  export async function up(db) {
    await db.schema.createTable('a').addColumn('id', 'integer').execute();
  }
  export async function down(db) { await db.schema.dropTable('a').execute(); }`;
const INDEX_A = `
  import { sql } from ${JSON.stringify(import.meta.resolve('kysely'))};
  export const transaction = false;
  export async function up(db) {
    await sql\`drop index concurrently if exists a_id\`.execute(db);
    await sql\`create index concurrently a_id on a (id)\`.execute(db);
  }
  export async function down(db) { await sql\`drop index a_id\`.execute(db); }`;
const COLUMN_A = `
  export async function up(db) {
    await db.schema.alterTable('a').addColumn('name', 'text').execute();
  }
  export async function down(db) {
    await db.schema.alterTable('a').dropColumn('name').execute();
  }`;
const FORWARD = `
  export const forwardOnly = 'the former values are not kept';
  export async function up(db) {
    await db.schema.createTable('b').addColumn('id', 'integer').execute();
  }`;

/** A database whose `migrator` may create tables in `public`. */
async function playground(t: Test) {
  const database = await createEmptyDatabase(t);
  await asSuperuser('grant create on schema public to migrator', database.name);
  return database;
}

async function connect(t: Test, url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  t.teardown(() => client.end());
  return client;
}

test('starts that run at once build an index concurrently, once', async (t) => {
  const database = await playground(t);
  const set = { name: 'probe', folder: t.testdir({ '0001_a.ts': TABLE_A, '0002_i.ts': INDEX_A }) };
  const applied = await Promise.all(
    [1, 2, 3].map(() => migrateToLatest(database.url('migrator'), [set])),
  );
  t.strictSame(applied.flat().sort(), ['probe/0001_a', 'probe/0002_i']);
  t.strictSame(
    await asSuperuser(
      `select indisvalid from pg_index where indexrelid = 'a_id'::regclass`,
      database.name,
    ),
    [{ indisvalid: true }],
  );
});

test('a migration that waits for a lock lets other statements pass', async (t) => {
  const database = await playground(t);
  const url = database.url('migrator');
  const first = { name: 'probe', folder: t.testdir({ '0001_a.ts': TABLE_A }) };
  await migrateToLatest(url, [first]);
  const reader = await connect(t, url);
  await reader.query('begin');
  await reader.query('select * from a');
  const both = t.testdir({ '0001_a.ts': TABLE_A, '0002_c.ts': COLUMN_A });
  const migrating = migrateToLatest(url, [{ name: 'probe', folder: both }]);
  await until(
    async () =>
      (await asSuperuser(`select from pg_locks where mode = 'AccessExclusiveLock' and not granted`))
        .length > 0,
    { what: 'the migration waits' },
  );
  const other = await connect(t, url);
  const started = performance.now();
  await other.query('select * from a');
  const waited = performance.now() - started;
  t.ok(waited < timeBound(5_000), `another read waited for ${waited.toFixed()} ms`);
  await reader.query('commit');
  t.strictSame(await migrating, ['probe/0002_c']);
});

test('the migration that was applied last is reverted first, of any set', async (t) => {
  const database = await playground(t);
  const url = database.url('migrator');
  const folder = t.testdir({
    one: { '0001_a.ts': TABLE_A, '0002_c.ts': COLUMN_A },
    two: { '0001_b.ts': TABLE_A.replaceAll(`'a'`, `'b'`) },
  });
  const early = { name: 'early', folder: `${folder}/one` };
  const late = { name: 'late', folder: `${folder}/two` };
  // The later set was migrated first, as by a release that had only that one.
  await migrateToLatest(url, [late]);
  await migrateToLatest(url, [early, late]);
  const reverted: (string | undefined)[] = [];
  for (let round = 0; round < 4; round += 1) reverted.push(await revertLast(url, [early, late]));
  t.strictSame(reverted, ['early/0002_c', 'early/0001_a', 'late/0001_b', undefined]);
});

test('a forward-only migration is not reverted, and the error says why', async (t) => {
  const database = await playground(t);
  const url = database.url('migrator');
  const set = { name: 'probe', folder: t.testdir({ '0001_a.ts': TABLE_A, '0002_b.ts': FORWARD }) };
  await migrateToLatest(url, [set]);
  await t.rejects(
    revertLast(url, [set]),
    /probe\/0002_b is forward-only: the former values are not kept\./,
  );
  t.strictSame(await asSuperuser('select name from migrations.probe order by 1', database.name), [
    { name: '0001_a' },
    { name: '0002_b' },
  ]);
});

test('a migration of a newer checkout is not reverted', async (t) => {
  const database = await playground(t);
  const url = database.url('migrator');
  const newer = t.testdir({ '0001_a.ts': TABLE_A, '0002_c.ts': COLUMN_A });
  await migrateToLatest(url, [{ name: 'probe', folder: newer }]);
  const older = { name: 'probe', folder: t.testdir({ '0001_a.ts': TABLE_A }) };
  await t.rejects(revertLast(url, [older]), /probe\/0002_c is not in this checkout/);
});
