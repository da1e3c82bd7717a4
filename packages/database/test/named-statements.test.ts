import { sql } from 'kysely';
import { test, type Test } from 'tap';
import { createDatabase } from '../src/index.ts';
import { createTestDatabase } from '@muniment/testing';

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
  return { db, pool, prepared };
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
