import type pg from 'pg';
import { test, type Test } from 'tap';
import { createRevocations, type Revocations } from '@muniment/security';
import {
  connectSuperuser,
  createTestDatabase,
  rowsOf,
  timeBound,
  until,
  type Rows,
} from '@muniment/testing';
import { createRevocationFeed, type RevocationFeed } from '../../src/auth/revocation-feed.ts';

interface Server {
  superuser: pg.Client;
  rows: Rows;
  /** Follows the database's revocations with this set until the test ends. */
  follow(revocations: Revocations): Promise<RevocationFeed>;
}

async function startServer(t: Test): Promise<Server> {
  const database = await createTestDatabase(t);
  const superuser = await connectSuperuser(t, database);
  return {
    superuser,
    rows: rowsOf(superuser),
    async follow(revocations) {
      const feed = createRevocationFeed({
        url: database.url('user_service'),
        applicationName: 'completeness-feed',
        revocations,
        log: { info() {}, warn() {} },
      });
      t.teardown(() => feed.stop());
      await feed.start();
      return feed;
    },
  };
}

const insert = (rows: Rows, id: string): Promise<unknown> =>
  rows(
    `insert into identity.revocations
    values ('session', $1, now(), now() + interval '1 hour', pg_current_xact_id())`,
    [id],
  );

/** Inserts rows in the order of their ids: `000001` and on. */
const insertMany = (rows: Rows, count: number): Promise<unknown> =>
  rows(
    `insert into identity.revocations
    select 'session', lpad(n::text, 6, '0'), now(), now() + interval '1 hour', pg_current_xact_id()
    from generate_series(1, $1::int) n`,
    [count],
  );

/** As if every notification were lost. */
const dropNotifications = (rows: Rows): Promise<unknown> =>
  rows(
    `do $$ begin execute replace(
      pg_get_functiondef('identity.announce_revocation'::regproc),
      'perform pg_notify(', 'perform concat('); end $$`,
  );

function blockFor(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test('an answer that lay unread proves freshness only from when it was asked for', async (t) => {
  const { follow } = await startServer(t);
  const revocations = createRevocations();
  const ages: number[] = [];
  await follow({
    ...revocations,
    now() {
      // The heart-beat goes out, then this process does nothing else for a while.
      setImmediate(() => blockFor(300));
      return revocations.now();
    },
    confirmComplete(at) {
      ages.push(performance.now() - at.monotonic);
      revocations.confirmComplete(at);
    },
  });
  // On a busy machine some answers are read before the process stands still.
  await until(() => ages.length > 5, { timeoutMs: timeBound(10_000) });
  t.ok(Math.max(...ages) >= 290, `the oldest proof was ${Math.max(...ages)} ms old`);
});

test('a revocation committed while the pages are read is in the complete set', async (t) => {
  const { rows, follow } = await startServer(t);
  await dropNotifications(rows);
  await insertMany(rows, 60_000);
  const revocations = createRevocations();
  let inserted: Promise<unknown> | undefined;
  await follow({
    ...revocations,
    add(revocation) {
      // Sorts before the page that is being read, so no later page shows it.
      inserted ??= insert(rows, '000000');
      return revocations.add(revocation);
    },
  });
  await inserted;
  await until(() => revocations.isSessionRevoked('000000'), { timeoutMs: timeBound(2_000) });
  t.equal(revocations.size(), 60_001);
});

test('a set of exactly one page is complete', async (t) => {
  const { rows, follow } = await startServer(t);
  await insertMany(rows, 5_000);
  const revocations = createRevocations();
  await follow(revocations);
  t.equal(revocations.size(), 5_000);
  await until(() => revocations.isFresh(), { timeoutMs: timeBound(2_000) });
});

test('a machine whose clock is ahead sweeps nothing that still counts', async (t) => {
  const { rows, follow } = await startServer(t);
  await insert(rows, 'counts');
  const { now } = Date;
  t.teardown(() => (Date.now = now));
  Date.now = () => now() + 2 * 3_600_000;
  const revocations = createRevocations();
  let sweeps = 0;
  await follow({
    ...revocations,
    sweep(seconds) {
      revocations.sweep(seconds);
      sweeps += 1;
    },
  });
  await until(() => sweeps > 3, { timeoutMs: timeBound(5_000) });
  t.ok(revocations.isSessionRevoked('counts'));
});

test('a standby proves nothing', async (t) => {
  const { rows, follow } = await startServer(t);
  await rows(`create schema standby`);
  await rows(`create function standby.pg_is_in_recovery() returns boolean
    language sql as 'select true'`);
  await rows(`grant usage on schema standby to user_service`);
  const revocations = createRevocations();
  await follow(revocations);
  t.ok(revocations.isFresh(), 'the primary does');
  await rows(`do $$ begin execute format(
    'alter role user_service in database %I set search_path = standby, pg_catalog',
    current_database()); end $$`);
  const behindStandby = createRevocations();
  await follow(behindStandby);
  t.notOk(behindStandby.isFresh());
});

test('notifications bring revocations, and the heart-beat only what they lost', async (t) => {
  const { rows, follow } = await startServer(t);
  const revocations = createRevocations();
  const feed = await follow(revocations);
  for (let n = 0; n < 10; n += 1) {
    await rows(`select identity.announce_revocation('session', $1, now() + interval '1 hour')`, [
      `announced-${n}`,
    ]);
    await until(() => revocations.isSessionRevoked(`announced-${n}`), {
      timeoutMs: timeBound(2_000),
    });
  }
  t.ok(feed.unannounced() <= 2, `${feed.unannounced()} of 10 came by heart-beat`);
  await dropNotifications(rows);
  await rows(`select identity.announce_revocation('session', 'lost', now() + interval '1 hour')`);
  await until(() => revocations.isSessionRevoked('lost'), { timeoutMs: timeBound(2_000) });
});

test('a connection that no longer answers is replaced', async (t) => {
  const { rows, superuser, follow } = await startServer(t);
  const revocations = createRevocations();
  const feed = await follow(revocations);
  t.equal(feed.connections(), 1);
  await superuser.query('begin');
  await superuser.query('lock table identity.revocations in access exclusive mode');
  await until(() => feed.connections() > 1, { timeoutMs: timeBound(6_000) });
  await superuser.query('rollback');
  await until(() => revocations.isFresh(), { timeoutMs: timeBound(6_000) });
  await insert(rows, 'after');
  await until(() => revocations.isSessionRevoked('after'), { timeoutMs: timeBound(2_000) });
});
