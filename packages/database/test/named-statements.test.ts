import { sql } from 'kysely';
import { test, type Test } from 'tap';
import { createDatabase, isTransactionConflict, PLANNED_WITH_VALUES } from '../src/index.ts';
import { connectSuperuser, createTestDatabase } from '@muniment/testing';

async function oneConnection(t: Test) {
  const database = await createTestDatabase(t);
  const { db, pool } = createDatabase({
    url: database.url('user_service'),
    applicationName: 'test',
    poolMax: 1,
  });
  t.teardown(() => db.destroy());
  const prepared = async () =>
    (
      await pool.query<{ name: string; statement: string; uses: number }>(
        `select name, statement, generic_plans + custom_plans as uses from pg_prepared_statements
          order by name`,
      )
    ).rows;
  return { db, pool, prepared, admin: await connectSuperuser(t, database) };
}

test('a statement with parameters is prepared once per connection', async (t) => {
  const { db, prepared } = await oneConnection(t);
  for (let i = 0; i < 10; i += 1)
    t.strictSame((await sql`select ${i}::int as i`.execute(db)).rows, [{ i }]);
  t.match(await prepared(), [{ statement: 'select $1::int as i', uses: 10 }]);
  await sql`select ${'x'}::text as x`.execute(db);
  t.equal((await prepared()).length, 2);
});

test('the same text has the same name on each connection', async (t) => {
  const one = await oneConnection(t);
  const other = await oneConnection(t);
  for (const { db } of [one, other]) await sql`select ${1}::int as same`.execute(db);
  t.equal((await one.prepared())[0]?.name, (await other.prepared())[0]?.name);
});

test('a statement without parameters is not named', async (t) => {
  const { db, prepared } = await oneConnection(t);
  await sql`select 1`.execute(db);
  t.strictSame(await prepared(), []);
});

test('a name outlives a failure of its statement', async (t) => {
  const { db } = await oneConnection(t);
  const divide = (by: number) => sql<{ q: number }>`select 6 / ${by}::int as q`.execute(db);
  await t.rejects(divide(0), { code: '22012' });
  t.strictSame((await divide(3)).rows, [{ q: 2 }]);
});

const ID = '00000000-0000-7000-8000-000000000000';

test('a statement goes on when a migration adds a column to its table', async (t) => {
  const { db, admin } = await oneConnection(t);
  const read = () => sql`select * from identity.users where id = ${ID}::uuid`.execute(db);
  await read();
  await admin.query('alter table identity.users add column one text');
  t.strictSame((await read()).rows, []);
  await admin.query('alter table identity.users add column two text');
  t.strictSame(
    (await Promise.all([read(), read(), read()])).map(({ rows }) => rows),
    [[], [], []],
  );
});

test('a transaction that a new column ends may run again, and does', async (t) => {
  const { db, admin } = await oneConnection(t);
  const change = () =>
    db.transaction().execute(async (trx) => {
      await sql`select ${1}::int as first`.execute(trx);
      return sql`select * from identity.users where id = ${ID}::uuid for update`.execute(trx);
    });
  const begun = () =>
    db
      .transaction()
      .execute((trx) => sql`select * from identity.sessions where id = ${ID}::uuid`.execute(trx));
  for (const [table, run] of [
    ['users', change],
    ['sessions', begun],
  ] as const) {
    await run();
    await run();
    await admin.query(`alter table identity.${table} add column added text`);
    const error: unknown = await run().catch((reason: unknown) => reason);
    t.ok(isTransactionConflict(error), String(error));
    t.strictSame((await run()).rows, []);
  }
});

test('a change that a new column refuses is made once', async (t) => {
  const { db } = await oneConnection(t);
  await sql`create temporary table changes (n integer)`.execute(db);
  const insert = (n: number) => sql`insert into changes values (${n}) returning *`.execute(db);
  await insert(1);
  await sql`alter table changes add column added text`.execute(db);
  t.strictSame((await insert(2)).rows, [{ n: 2, added: null }]);
  const { rows } = await sql`select n from changes order by n`.execute(db);
  t.strictSame(rows, [{ n: 1 }, { n: 2 }]);
});

test('a transaction over several changed tables runs again once', async (t) => {
  const { db } = await oneConnection(t);
  for (const name of ['one', 'two', 'three'])
    await sql`create temporary table ${sql.id(name)} (n integer)`.execute(db);
  const change = () =>
    db.transaction().execute(async (trx) => {
      await sql`select ${1}::int as first`.execute(trx);
      for (const name of ['one', 'two', 'three'])
        await sql`insert into ${sql.id(name)} values (${1}) returning *`.execute(trx);
    });
  await change();
  for (const name of ['one', 'two', 'three'])
    await sql`alter table ${sql.id(name)} add column added text`.execute(db);
  t.ok(isTransactionConflict(await change().catch((error: unknown) => error)));
  await change();
  const { rows } = await sql`select n from three`.execute(db);
  t.equal(rows.length, 2, 'the refused one left nothing');
});

test('after a savepoint a refused statement still ends its transaction', async (t) => {
  const { db } = await oneConnection(t);
  await sql`create temporary table changes (n integer)`.execute(db);
  const change = () =>
    db.transaction().execute(async (trx) => {
      await sql`savepoint here`.execute(trx);
      await sql`rollback to here`.execute(trx);
      await sql`insert into changes values (${1}) returning *`.execute(trx);
    });
  await change();
  await sql`alter table changes add column added text`.execute(db);
  t.ok(isTransactionConflict(await change().catch((error: unknown) => error)));
});

test('a refused statement is not repeated behind a COMMIT that left with it', async (t) => {
  const { db, pool } = await oneConnection(t);
  await sql`create temporary table changes (n integer)`.execute(db);
  const client = await pool.connect();
  const change = () => [
    client.query('insert into changes values ($1) returning *', [1]),
    client.query('commit'),
  ];
  const begin = async () => {
    await client.query('begin');
    await client.query('select $1::int as first', [1]);
  };
  await begin();
  await Promise.all(change());
  await client.query('alter table changes add column added text');
  await begin();
  const [insert, commit] = await Promise.allSettled(change());
  t.match(insert, { status: 'rejected', reason: { code: '0A000' } });
  t.match(commit, { status: 'fulfilled', value: { command: 'ROLLBACK' } });
  t.equal((await client.query('select n from changes')).rowCount, 1);
  client.release();
});

test('a statement that is planned with its values gets no name', async (t) => {
  const { db, prepared } = await oneConnection(t);
  const before = (await prepared()).length;
  for (const value of [1, 2])
    await sql`${sql.raw(PLANNED_WITH_VALUES)} select ${value}::int`.execute(db);
  t.equal((await prepared()).length, before);
});

// Last: no later text of this process gets a name.
test('past five hundred texts statements stay unnamed, and work', async (t) => {
  const { db, prepared } = await oneConnection(t);
  for (let i = 0; i < 520; i += 1)
    t.equal(
      (await sql<Record<string, number>>`select ${i}::int as ${sql.id(`c${i}`)}`.execute(db))
        .rows[0]?.[`c${i}`],
      i,
    );
  const { length } = await prepared();
  t.ok(length > 400 && length <= 500, `${length} prepared`);
});
