import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import pg from 'pg';
import { test, type Test } from 'tap';
import { releaseLease, LeaseLost } from '@muniment/database';
import { connectSuperuser, type TestDatabase } from '@muniment/testing';
import { TreeMoved } from '../../errors.ts';
import { findHead } from '../../proofs/tree/tree-queries.ts';
import { rootOf } from '../../proofs/tree/grow-tree.ts';
import { sealBatch } from '../../sealing/seal-batch.ts';
import { anEvent } from '../records.ts';
import { inLane, leafHashes, openLog, range, readLog, sealerLease, store } from './sealed-log.ts';
import { naiveRoot } from '../proofs/tree/naive-tree.ts';

const byText = (a: string, b: string): number => (a < b ? -1 : 1);

const cursor = async (db: Parameters<typeof readLog>[0], lane: number): Promise<number> =>
  (
    await db
      .selectFrom('audit.seal_lanes')
      .select('sealed_seq')
      .where('source', '=', 'user')
      .where('lane', '=', lane)
      .executeTakeFirstOrThrow()
  ).sealed_seq;

test("stored events get indexes from 0, and the head is their records' tree", async (t) => {
  const { db } = await openLog(t);
  const events = inLane(3, range(1, 5));
  await store(db, events);
  const lease = await sealerLease(db);
  t.match(await sealBatch(db, lease, { limit: 100 }), { sealed: 5, more: false });
  const log = await readLog(db);
  t.same(
    log.map(({ index, seq }) => [index, seq]),
    range(0, 4).map((index) => [index, index + 1]),
  );
  t.same(rootOf(await findHead(db)), naiveRoot(leafHashes(events)));
  t.match(await sealBatch(db, lease, { limit: 100 }), { sealed: 0, more: false });
});

test('each lane is sealed in the order of its numbers, whatever the ids say', async (t) => {
  const { db } = await openLog(t);
  // The later the number, the older the id: a producer's clock that was set back.
  const ids = range(1, 40)
    .map(() => anEvent().id)
    .toSorted()
    .toReversed();
  const events = [3, 9].flatMap((lane) =>
    range(1, 20).map((seq) =>
      anEvent({ lane, seq, id: ids[(seq - 1) * 2 + (lane === 3 ? 0 : 1)] as string }),
    ),
  );
  await store(db, events.toReversed());
  await sealBatch(db, await sealerLease(db), { limit: 100 });
  const log = await readLog(db);
  for (const lane of [3, 9])
    t.same(
      log.filter((event) => event.lane === lane).map(({ seq }) => seq),
      range(1, 20),
    );
});

test('lanes are merged by time', async (t) => {
  const { db } = await openLog(t);
  const events = range(1, 12).map((n) => anEvent({ lane: n % 3, seq: Math.ceil(n / 3) }));
  const sorted = events.map(({ id }) => id).toSorted();
  const ordered = events.map((event, n) => ({ ...event, id: sorted[n] as string }));
  await store(db, ordered);
  await sealBatch(db, await sealerLease(db), { limit: 100 });
  t.same(
    (await readLog(db)).map(({ id }) => id),
    sorted,
  );
});

test('a hole stops its own lane and no other; once it is filled the lane goes on', async (t) => {
  const { db } = await openLog(t);
  const lease = await sealerLease(db);
  const [first, hole, after] = inLane(3, [1, 2, 3]);
  if (!first || !hole || !after) throw new Error('three events');
  await store(db, [first, after, ...inLane(4, range(1, 3))]);
  await sealBatch(db, lease, { limit: 100 });
  t.same((await readLog(db)).map(({ lane, seq }) => `${lane}/${seq}`).toSorted(byText), [
    '3/1',
    '4/1',
    '4/2',
    '4/3',
  ]);
  t.equal(await cursor(db, 3), 1);
  await store(db, [hole]);
  await sealBatch(db, lease, { limit: 100 });
  t.same(
    (await readLog(db)).slice(4).map(({ lane, seq }) => [lane, seq]),
    [
      [3, 2],
      [3, 3],
    ],
  );
});

test("received numbers without an event are skipped, also at a lane's end", async (t) => {
  const { db } = await openLog(t);
  const lease = await sealerLease(db);
  await store(
    db,
    inLane(3, [1, 3]),
    [2, 4, 5].map((seq) => ({ source: 'user', lane: 3, seq })),
  );
  await sealBatch(db, lease, { limit: 100 });
  t.same(
    (await readLog(db)).map(({ seq }) => seq),
    [1, 3],
  );
  t.equal(await cursor(db, 3), 5);
});

test('a batch is bounded, moves every lane, and loses no event', async (t) => {
  const { db } = await openLog(t);
  const lease = await sealerLease(db);
  await store(
    db,
    [3, 4, 5].flatMap((lane) => inLane(lane, range(1, 30))),
  );
  const first = await sealBatch(db, lease, { limit: 10 });
  t.ok(first.sealed <= 12 && first.more, `${first.sealed}`);
  t.same(new Set((await readLog(db)).map(({ lane }) => lane)), new Set([3, 4, 5]));
  while ((await sealBatch(db, lease, { limit: 10 })).more);
  const log = await readLog(db);
  t.equal(log.length, 90);
  for (const lane of [3, 4, 5])
    t.same(
      log.filter((event) => event.lane === lane).map(({ seq }) => seq),
      range(1, 30),
    );
  t.same(
    log.map(({ index }) => index),
    range(0, 89),
  );
});

test('a batch within which all numbers of a lane are quarantined moves the lane on', async (t) => {
  const { db } = await openLog(t);
  const lease = await sealerLease(db);
  await store(
    db,
    inLane(3, [31, 32]),
    range(1, 30).map((seq) => ({ source: 'user', lane: 3, seq })),
  );
  t.match(await sealBatch(db, lease, { limit: 10 }), { sealed: 0, more: true });
  while ((await sealBatch(db, lease, { limit: 10 })).more);
  t.same(
    (await readLog(db)).map(({ seq }) => seq),
    [31, 32],
  );
});

test('a batch reads what it seals and not the backlog behind it', async (t) => {
  const { db, database } = await openLog(t);
  const owner = new pg.Client({ connectionString: database.url('migrator') });
  await owner.connect();
  t.teardown(() => owner.end());
  const lease = await sealerLease(db);
  const backlog = 20_000;
  await sql`
    insert into audit.events (id, source, lane, seq, action, outcome, request_id, timestamp, record)
    select uuidv7(), 'user', n % 4, n / 4 + 1, 'LOGIN_SUCCESS', 'success', 'test', now(), '{}'
    from generate_series(0, ${sql.lit(backlog - 1)}) n`.execute(db);
  await sql`
    update audit.lanes set received = int8multirange(int8range(1, ${sql.lit(backlog / 4 + 1)}))
    where source = 'user' and lane < 4`.execute(db);
  // With statistics PostgreSQL underestimates a lane's backlog and would read and sort it whole.
  await owner.query('analyze audit.events');
  const read = async (): Promise<number> => {
    await sql`select pg_stat_force_next_flush()`.execute(db);
    const {
      rows: [row],
    } = await sql<{ read: number }>`
      select sum(coalesce(idx_tup_fetch, 0) + seq_tup_read)::int8 as read from pg_stat_all_tables
      where schemaname = 'audit' and relname like 'events_%'`.execute(db);
    return row?.read ?? NaN;
  };
  const before = await read();
  t.match(await sealBatch(db, lease, { limit: 400 }), { sealed: 400, more: true });
  const rows = (await read()) - before;
  t.ok(rows >= 400 && rows < backlog / 4, `${rows} rows read for 400 sealed`);
});

test("an event that a replay stored behind its lane's cursor is sealed once", async (t) => {
  const { db } = await openLog(t);
  const lease = await sealerLease(db);
  const [first, quarantined, third] = inLane(3, [1, 2, 3]);
  if (!first || !quarantined || !third) throw new Error('three events');
  await store(db, [first, third], [quarantined]);
  await sealBatch(db, lease, { limit: 100 });
  await store(db, [quarantined]);
  await db
    .insertInto('audit.seal_late')
    .values([{ event_id: quarantined.id }, { event_id: first.id }])
    .execute();
  t.match(await sealBatch(db, lease, { limit: 100 }), { sealed: 1 });
  t.same(
    (await readLog(db)).map(({ seq }) => seq),
    [1, 3, 2],
  );
  t.same(await db.selectFrom('audit.seal_late').selectAll().execute(), []);
});

test('a holder that was succeeded, or whose lease ran out, seals nothing', async (t) => {
  const { db } = await openLog(t);
  await store(db, inLane(3, [1, 2]));
  const expired = await sealerLease(db, 'zombie', 30);
  await sleep(50);
  await t.rejects(sealBatch(db, expired, { limit: 100 }), LeaseLost);
  const successor = await sealerLease(db, 'successor');
  await t.rejects(sealBatch(db, expired, { limit: 100 }), LeaseLost);
  t.same(await readLog(db), []);
  t.equal(await cursor(db, 3), 0);
  t.match(await sealBatch(db, successor, { limit: 100 }), { sealed: 2 });
  await releaseLease(db, successor);
  await t.rejects(sealBatch(db, successor, { limit: 100 }), LeaseLost);
});

test('a head that was moved or set back is refused, with everything of the batch', async (t) => {
  const { db } = await openLog(t);
  const lease = await sealerLease(db);
  await store(db, inLane(3, range(1, 3)));
  await sealBatch(db, lease, { limit: 100 });
  // What a restored or altered row would look like: the tree is younger than the log.
  await db
    .updateTable('audit.tree')
    .set({ size: 0, edge: Buffer.alloc(0) })
    .execute();
  await store(db, inLane(4, range(1, 3)));
  await t.rejects(sealBatch(db, lease, { limit: 100 }), { code: '23505' });
  t.equal((await readLog(db)).length, 3);
  t.equal(await cursor(db, 4), 0);
});

/** Runs a statement of a superuser within each transaction that touches the table. */
async function interfere(t: Test, database: TestDatabase, on: string, statement: string) {
  const superuser = await connectSuperuser(t, database);
  await superuser.query(`create function audit.interfere() returns trigger language plpgsql
    security definer as $$ begin ${statement}; return null; end $$`);
  await superuser.query(`create trigger interfere after ${on}
    for each statement execute function audit.interfere()`);
}

test('a head that moves during the batch refuses the whole batch', async (t) => {
  const { db, database } = await openLog(t);
  const lease = await sealerLease(db);
  await store(db, inLane(3, range(1, 3)));
  await interfere(t, database, 'insert on audit.sealed', 'update audit.tree set size = 7');
  await t.rejects(sealBatch(db, lease, { limit: 100 }), TreeMoved);
  t.same(await readLog(db), []);
  t.equal(await cursor(db, 3), 0);
  t.equal((await findHead(db)).size, 0);
});

for (const [how, sealedSeq] of [
  ['on', 5],
  ['back', 1],
] as const)
  test(`a lane that moves ${how} during the batch refuses the whole batch`, async (t) => {
    const { db, database } = await openLog(t);
    const lease = await sealerLease(db);
    await store(db, inLane(3, range(1, 3)));
    await sealBatch(db, lease, { limit: 100 });
    await store(db, inLane(3, range(4, 6)));
    await interfere(
      t,
      database,
      'delete on audit.seal_late',
      `update audit.seal_lanes set sealed_seq = ${sealedSeq} where lane = 3`,
    );
    await t.rejects(sealBatch(db, lease, { limit: 100 }), TreeMoved);
    t.equal((await readLog(db)).length, 3);
    t.equal(await cursor(db, 3), 3);
  });

test('late events beyond one batch are told to wait for the next', async (t) => {
  const { db } = await openLog(t);
  const lease = await sealerLease(db);
  const late = inLane(3, range(1, 3));
  await store(db, inLane(3, [4]), late);
  await sealBatch(db, lease, { limit: 100 });
  await store(db, late);
  await db
    .insertInto('audit.seal_late')
    .values(late.map(({ id }) => ({ event_id: id })))
    .execute();
  t.match(await sealBatch(db, lease, { limit: 2 }), { sealed: 2, more: true });
  t.match(await sealBatch(db, lease, { limit: 2 }), { sealed: 1, more: false });
});

test('of two transactions under one lease the second is refused', async (t) => {
  const { db } = await openLog(t);
  const lease = await sealerLease(db);
  await store(
    db,
    [3, 4].flatMap((lane) => inLane(lane, range(1, 400))),
  );
  const results = await Promise.allSettled(
    [1, 2, 3].map(() => sealBatch(db, lease, { limit: 1_000 })),
  );
  const log = await readLog(db);
  t.equal(log.length, 800);
  t.same(
    log.map(({ index }) => index),
    range(0, 799),
  );
  for (const result of results) {
    if (result.status === 'rejected')
      t.ok(
        result.reason instanceof TreeMoved || (result.reason as { code?: string }).code === '23505',
        String(result.reason),
      );
  }
});

test('an event replayed behind a hole is sealed once, in its place', async (t) => {
  const { db } = await openLog(t);
  const lease = await sealerLease(db);
  const [first, hole, replayed, last] = inLane(3, range(1, 4));
  if (!first || !hole || !replayed || !last) throw new Error('four events');
  await store(db, [first, replayed]);
  await db.insertInto('audit.seal_late').values({ event_id: replayed.id }).execute();
  await sealBatch(db, lease, { limit: 100 });
  t.same(
    (await readLog(db)).map(({ seq }) => seq),
    [1],
  );
  await store(db, [hole, last]);
  await sealBatch(db, lease, { limit: 100 });
  t.same(
    (await readLog(db)).map(({ seq }) => seq),
    [1, 2, 3, 4],
  );
  t.same(await db.selectFrom('audit.seal_late').selectAll().execute(), []);
});

test('what fails before the commit leaves nothing of a batch', async (t) => {
  const { db } = await openLog(t);
  const lease = await sealerLease(db);
  await store(db, inLane(3, range(1, 5)));
  const beforeCommit = (): void => {
    throw new Error('an alarm');
  };
  await t.rejects(sealBatch(db, lease, { limit: 100, beforeCommit }), /an alarm/);
  t.equal((await readLog(db)).length, 0);
  t.match(await sealBatch(db, lease, { limit: 100 }), { sealed: 5 });
});
