import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { test, type Test } from 'tap';
import { createDatabase } from '@muniment/database';
import { connectSuperuser, createTestDatabase, until } from '@muniment/testing';
import { createTail, type TailOptions } from '../../live/tail.ts';
import type { Tables } from '../../tables.ts';
import { range, storeSealed } from './sealed.ts';

async function open(t: Test, options: Partial<TailOptions> = {}) {
  const database = await createTestDatabase(t);
  const { db } = createDatabase<Tables>({
    url: database.url('audit_service'),
    applicationName: 'test',
  });
  t.teardown(() => db.destroy());
  const logged: string[] = [];
  const log = {
    warn: (_: unknown, text: string) => logged.push(text),
    error: (_: unknown, text: string) => logged.push(text),
  } as never;
  const tail = createTail({ db, log, pollMs: 20, ...options });
  const listen = (onNews: () => void = () => {}) => {
    const stop = tail.listen(onNews);
    t.teardown(async () => {
      stop();
      await tail.stopped();
    });
    return stop;
  };
  return { database, db, tail, listen, logged };
}

test('the tail reads what is sealed after its start, and notifies listeners', async (t) => {
  const { db, tail, listen } = await open(t);
  await storeSealed(db, [{}, {}]);
  let news = 0;
  listen(() => {
    news += 1;
  });
  await until(() => tail.head() === 1);
  t.same(tail.after(1, 10), []);
  t.equal(tail.after(0, 10), undefined, 'what was there before is in the table');
  await storeSealed(db, [{}, {}, {}]);
  await until(() => tail.head() === 4);
  t.same(
    tail.after(1, 10)?.map(({ index }) => index),
    [2, 3, 4],
  );
  t.same(
    tail.after(2, 1)?.map(({ index }) => index),
    [3],
  );
  t.same(tail.after(9, 10), [], 'a position that another replica gave out a moment ago');
  t.ok(news >= 2);
});

test('held events are bounded by number and by bytes, without a hole', async (t) => {
  for (const options of [{ maxEvents: 50 }, { maxBytes: 20_000 }]) {
    const { db, tail, listen } = await open(t, options);
    await storeSealed(db, [{}]);
    listen();
    await until(() => tail.head() === 0);
    for (let round = 0; round < 8; round += 1)
      await storeSealed(
        db,
        Array.from({ length: 300 }, () => ({})),
      );
    await until(() => tail.head() === 2_400);
    const first = range(0, 2_401).find((position) => tail.after(position, 1) !== undefined) ?? 0;
    t.ok(first >= 2_300, `kept from ${first}`);
    t.same(
      tail.after(first, 10_000)?.map(({ index }) => index),
      range(first + 1, 2_401),
    );
  }
});

test('without listeners nothing is read; a new listener begins at the then head', async (t) => {
  const { db, tail, listen } = await open(t);
  const stop = listen();
  await until(() => tail.head() === -1);
  stop();
  await tail.stopped();
  t.equal(tail.head(), undefined);
  await storeSealed(db, [{}, {}]);
  t.equal(tail.after(-1, 10), undefined);
  listen();
  await until(() => tail.head() === 1);
  t.equal(tail.after(-1, 10), undefined);
});

test('a hole in the log is never passed', async (t) => {
  const { db, tail, listen, logged } = await open(t);
  await storeSealed(db, [{}]);
  listen();
  await until(() => tail.head() === 0);
  await sql`insert into audit.sealed (index, event_id) values (2, gen_random_uuid())`.execute(db);
  await sleep(200);
  t.equal(tail.head(), 0);
  t.match(logged[0], /hole/);
  await sql`insert into audit.sealed (index, event_id) values (1, gen_random_uuid())`.execute(db);
  await until(() => tail.head() === 2);
  t.match(
    tail.after(0, 10),
    [
      { index: 1, id: null },
      { index: 2, id: null },
    ],
    'events that retention moved away have their index only',
  );
});

test('an outage of the database is waited out, and logged once', async (t) => {
  const { database, db, tail, listen, logged } = await open(t);
  listen();
  await until(() => tail.head() === -1);
  const superuser = await connectSuperuser(t, database);
  await superuser.query('alter table audit.sealed rename to away');
  await sleep(200);
  t.equal(logged.length, 1);
  await superuser.query('alter table audit.away rename to sealed');
  await storeSealed(db, [{}]);
  await until(() => tail.head() === 0);
});
