import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { test, type Test } from 'tap';
import {
  createDatabase,
  isDatabaseUnavailable,
  violatedUniqueConstraint,
  type DatabaseOptions,
} from '../src/index.ts';
import { createTestDatabase, timeBound } from '@muniment/testing';
import { asSuperuser } from './empty-database.ts';

async function open(t: Test, options: Partial<DatabaseOptions> = {}) {
  const database = await createTestDatabase(t);
  const { db, pool } = createDatabase({
    url: database.url('user_service'),
    applicationName: 'test',
    ...options,
  });
  t.teardown(() => db.destroy());
  return { db, pool, name: new URL(database.url()).pathname.slice(1), database };
}

const terminate = (name: string) =>
  asSuperuser(
    `
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = '${name}' and pid <> pg_backend_pid()`,
  );

async function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: unknown) => error,
  );
}

test('an int8 arrives as a number, in a row, an aggregate and a parameter', async (t) => {
  const { db } = await open(t);
  const { rows } = await sql`
    select 9007199254740991::int8 as big, count(*) as many, ${12}::int8 as given,
      null::int8 as none, 1.5::numeric as exact from generate_series(1, 3)`.execute(db);
  t.strictSame(rows, [{ big: 9007199254740991, many: 3, given: 12, none: null, exact: '1.5' }]);
});

test('a pool names itself to PostgreSQL', async (t) => {
  const { db } = await open(t, { applicationName: 'muniment-user-1' });
  t.match(
    (
      await sql`select application_name from pg_stat_activity where pid = pg_backend_pid()`.execute(
        db,
      )
    ).rows,
    [{ application_name: 'muniment-user-1' }],
  );
});

test('a connection that dies while idle is reported and replaced', async (t) => {
  const errors: Error[] = [];
  const { db, name } = await open(t, { onIdleError: (error) => void errors.push(error) });
  await sql`select 1`.execute(db);
  await terminate(name);
  await sleep(100);
  t.ok(errors.length > 0 && errors.every(isDatabaseUnavailable));
  t.strictSame((await sql`select 1 as one`.execute(db)).rows, [{ one: 1 }]);
});

test('a connection that dies fails its own work and not the process', async (t) => {
  const { db, name } = await open(t);
  const asleep = failure(sql`select pg_sleep(10)`.execute(db));
  await sleep(200);
  await terminate(name);
  t.ok(isDatabaseUnavailable(await asleep));
  const between = await failure(
    db.transaction().execute(async (trx) => {
      await sql`select 1`.execute(trx);
      await terminate(name);
      await sleep(100);
      await sql`select 2`.execute(trx);
    }),
  );
  t.ok(isDatabaseUnavailable(between), String(between));
  t.strictSame((await sql`select 1 as one`.execute(db)).rows, [{ one: 1 }]);
});

test('PostgreSQL cancels a statement that exceeds its time limit', async (t) => {
  const { db } = await open(t, { statementTimeoutMs: 200 });
  const start = performance.now();
  const error = await failure(sql`select pg_sleep(10)`.execute(db));
  t.match(error, { code: '57014' });
  t.ok(performance.now() - start < timeBound(1_000, 5_000));
  t.equal(isDatabaseUnavailable(error), true);
});

test('PostgreSQL ends a transaction that stays idle for ten seconds', async (t) => {
  const { db } = await open(t);
  t.strictSame((await sql`show idle_in_transaction_session_timeout`.execute(db)).rows, [
    { idle_in_transaction_session_timeout: '10s' },
  ]);
  const error = await failure(
    db.transaction().execute(async (trx) => {
      await sql`set local idle_in_transaction_session_timeout = 100`.execute(trx);
      await sleep(300);
      await sql`select 1`.execute(trx);
    }),
  );
  t.ok(isDatabaseUnavailable(error), String(error));
  t.strictSame((await sql`select 1 as one`.execute(db)).rows, [{ one: 1 }]);
});

/** Forwards bytes until frozen; later connections pass again, as after a failover. */
async function freezingProxy(t: Test): Promise<{ port: number; freeze(): void }> {
  const target = new URL(process.env.TEST_POSTGRES_URL ?? '');
  const sockets: Socket[] = [];
  const proxy = createServer((client) => {
    const server = connect(Number(target.port), target.hostname);
    client.pipe(server).pipe(client);
    for (const socket of [client, server]) sockets.push(socket.on('error', () => {}));
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  return {
    port: (proxy.address() as AddressInfo).port,
    freeze() {
      for (const socket of sockets) socket.unpipe().pause();
    },
  };
}

test('a connection that fell silent costs one time-out, then the pool has another', async (t) => {
  const proxy = await freezingProxy(t);
  const database = await createTestDatabase(t);
  const url = new URL(database.url('user_service'));
  url.port = String(proxy.port);
  const { db } = createDatabase({
    url: url.href,
    applicationName: 'test',
    poolMax: 1,
    statementTimeoutMs: 200,
  });
  t.teardown(() => db.destroy());
  await sql`select 1`.execute(db);
  proxy.freeze();
  const start = performance.now();
  const error = await failure(db.transaction().execute((trx) => sql`select 1`.execute(trx)));
  t.ok(isDatabaseUnavailable(error), String(error));
  t.ok(performance.now() - start < timeBound(2_000), `${performance.now() - start} ms`);
  t.strictSame((await sql`select 1 as one`.execute(db)).rows, [{ one: 1 }]);
});

test('a server that does not listen or answer is an outage within 2.5 seconds', async (t) => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  for (const port of [9, (silent.address() as AddressInfo).port]) {
    const { db } = createDatabase({
      url: `postgres://user_service@127.0.0.1:${port}/muniment`,
      applicationName: 'test',
    });
    const start = performance.now();
    const error = await failure(sql`select 1`.execute(db));
    t.ok(isDatabaseUnavailable(error), String(error));
    t.ok(performance.now() - start < timeBound(2_500));
    await db.destroy();
  }
  silent.close();
});

test('outages are told from other errors by code and message', (t) => {
  const coded = (code: string) => Object.assign(new Error('x'), { code });
  for (const code of [
    '08000',
    '08003',
    '08006',
    '57P01',
    '57P02',
    '57P03',
    '57P05',
    '53100',
    '53200',
    '53300',
    '57014',
    '55P03',
    '40P01',
    '40001',
    '25006',
    '25P03',
    'ENETUNREACH',
    'ECONNREFUSED',
    'ECONNRESET',
    'EPIPE',
    'ETIMEDOUT',
    'ENOTFOUND',
    'EAI_AGAIN',
    'EHOSTUNREACH',
  ])
    t.equal(isDatabaseUnavailable(coded(code)), true, code);
  for (const code of [
    '23505',
    '42P01',
    '42501',
    '40002',
    '53400',
    '25P02',
    '22P02',
    '28P01',
    'ENOENT',
    '',
  ])
    t.equal(isDatabaseUnavailable(coded(code)), false, code);
  for (const message of [
    'Connection terminated unexpectedly',
    'Connection terminated due to connection timeout',
    'timeout exceeded when trying to connect',
    'Query read timeout',
    'Client has encountered a connection error and is not queryable',
    'Cannot use a pool after calling end on the pool',
  ])
    t.equal(isDatabaseUnavailable(new Error(message)), true, message);
  t.equal(
    isDatabaseUnavailable(new AggregateError([coded('ECONNREFUSED'), coded('ECONNREFUSED')])),
    true,
    'both addresses of localhost',
  );
  for (const value of [
    new Error('x'),
    new AggregateError([new Error('x')]),
    'ECONNREFUSED',
    null,
    undefined,
    { code: '08006' },
  ])
    t.equal(isDatabaseUnavailable(value), false);
  t.end();
});

test('only a violated unique constraint is reported, by its name', async (t) => {
  const { db } = await open(t);
  const insert = (id: string) =>
    sql`
      insert into identity.users (id, email, email_key)
      values (${id}, 'ada@example.com', 'ada@example.com')`.execute(db);
  await insert('0190a1b2-c3d4-7e5f-8a9b-000000000001');
  t.equal(
    violatedUniqueConstraint(await failure(insert('0190a1b2-c3d4-7e5f-8a9b-000000000002'))),
    'users_email_key',
  );
  t.equal(
    violatedUniqueConstraint(await failure(insert('0190a1b2-c3d4-7e5f-8a9b-000000000001'))),
    'users_pkey',
  );
  t.equal(
    violatedUniqueConstraint(
      await failure(sql`insert into identity.users (id) values (null)`.execute(db)),
    ),
    undefined,
  );
  t.equal(
    violatedUniqueConstraint(
      Object.assign(new Error('x'), { code: '23505', constraint: 'users_email_key' }),
    ),
    undefined,
    'only PostgreSQL can say so',
  );
});
