import { Socket } from 'node:net';
import { sql, type Kysely } from 'kysely';
import { test, type Test } from 'tap';
import { createDatabase } from '../src/index.ts';
import { createTestDatabase } from '@muniment/testing';

type Write = (this: unknown, ...args: unknown[]) => unknown;
const socket = Socket.prototype as unknown as { _write: Write; _writev: Write };

/** Counts the system calls by which a process writes to a port. */
function countWrites(t: Test, port: number): { count: number } {
  const writes = { count: 0 };
  for (const name of ['_write', '_writev'] as const) {
    const write = socket[name];
    t.capture(socket, name, function count(this: unknown, ...args: unknown[]) {
      if (this instanceof Socket && this.remotePort === port) writes.count += 1;
      return write.apply(this, args);
    });
  }
  return writes;
}

/** One connection to a database with a table, and the number of its writes. */
async function oneConnection(t: Test) {
  const database = await createTestDatabase(t);
  const url = database.url('migrator');
  const { db } = createDatabase({ url, applicationName: 'test', poolMax: 1 });
  t.teardown(() => db.destroy());
  await sql`create temporary table changes (n integer primary key)`.execute(db);
  return { db, writes: countWrites(t, Number(new URL(url).port)) };
}

const insert = <DB>(db: Kysely<DB>, n: number): Promise<unknown> =>
  sql`insert into changes (n) values (${n})`.execute(db);

async function list<DB>(db: Kysely<DB>): Promise<number[]> {
  const { rows } = await sql<{ n: number }>`select n from changes order by n`.execute(db);
  return rows.map(({ n }) => n);
}

test('BEGIN leaves with the first statement of its transaction', async (t) => {
  const { db, writes } = await oneConnection(t);
  const change = (n: number): Promise<unknown> => db.transaction().execute((trx) => insert(trx, n));
  await change(1);
  const before = writes.count;
  await change(2);
  t.equal(writes.count - before, 2, 'the statement and COMMIT');
  t.strictSame(await list(db), [1, 2]);
});

test('COMMIT leaves with the statement that nobody waits for', async (t) => {
  const { db, writes } = await oneConnection(t);
  await db.transaction().execute((trx) => insert(trx, 1));
  const before = writes.count;
  await db.transaction().execute(async (trx) => {
    await insert(trx, 2);
    void insert(trx, 3);
  });
  t.equal(writes.count - before, 2);
  t.strictSame(await list(db), [1, 2, 3]);
});

test('a statement behind a BEGIN that fails changes nothing', async (t) => {
  const { db } = await oneConnection(t);
  await db.transaction().execute((trx) => insert(trx, 1));
  await sql`deallocate begin`.execute(db);
  await t.rejects(
    db.transaction().execute((trx) => insert(trx, 2)),
    { code: '26000' },
  );
  t.strictSame(await list(db), [1]);
});

test('a first statement that fails leaves nothing of its transaction', async (t) => {
  const { db } = await oneConnection(t);
  await db.transaction().execute((trx) => insert(trx, 1));
  await t.rejects(
    db.transaction().execute(async (trx) => {
      await insert(trx, 1);
      await insert(trx, 2);
    }),
    { code: '23505' },
  );
  await db.transaction().execute((trx) => insert(trx, 3));
  t.strictSame(await list(db), [1, 3]);
});

test('statements sent at once are all inside the transaction', async (t) => {
  const { db } = await oneConnection(t);
  await db.transaction().execute((trx) => insert(trx, 1));
  await t.rejects(
    db.transaction().execute(async (trx) => {
      await Promise.all([insert(trx, 2), insert(trx, 3)]);
      throw new Error('no');
    }),
    { message: 'no' },
  );
  t.strictSame(await list(db), [1]);
});

test('a transaction without statements sends nothing', async (t) => {
  const { db, writes } = await oneConnection(t);
  await db.transaction().execute((trx) => insert(trx, 1));
  const before = writes.count;
  await db.transaction().execute(async () => {});
  await t.rejects(
    db.transaction().execute(() => Promise.reject(new Error('no'))),
    { message: 'no' },
  );
  t.equal(writes.count, before);
  t.strictSame(await list(db), [1], 'and the connection serves on');
});

test('a first statement without parameters follows its BEGIN', async (t) => {
  const { db } = await oneConnection(t);
  await db.transaction().execute((trx) => insert(trx, 1));
  await t.rejects(
    db.transaction().execute(async (trx) => {
      await sql`insert into changes (n) values (2)`.execute(trx);
      throw new Error('no');
    }),
    { message: 'no' },
  );
  t.strictSame(await list(db), [1]);
});

test('the result of a first statement is its own', async (t) => {
  const { db } = await oneConnection(t);
  for (let n = 1; n <= 3; n += 1) {
    const { rows, numAffectedRows } = await db
      .transaction()
      .execute((trx) =>
        sql<{ n: number }>`insert into changes (n) values (${n}) returning n`.execute(trx),
      );
    t.strictSame(rows, [{ n }]);
    t.equal(numAffectedRows, 1n);
  }
});
