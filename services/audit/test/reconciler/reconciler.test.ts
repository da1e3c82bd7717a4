import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { test, type Test } from 'tap';
import { sql, type Kysely } from 'kysely';
import { createEventRecorder, type NewEvent } from '@muniment/audit-events';
import { createDatabase, uuidv7 } from '@muniment/database';
import { connectSuperuser, until } from '@muniment/testing';
import { createReconciler, type Reconciler } from '../../reconciler/reconciler.ts';
import type { Tables } from '../../tables.ts';
import { startParts, storedIds, type Parts } from '../parts.ts';

interface Bench extends Parts {
  reconciler: Reconciler;
  superuser: pg.Client;
  as: Kysely<Tables>;
  said: string[];
  /** One look, with what it leaves open. */
  open(): Promise<string[]>;
  swept(): Promise<string[]>;
  act(
    event: Partial<NewEvent> & { action: string; user_id: string },
    source?: 'user' | 'file',
  ): Promise<void>;
  user(id?: string): Promise<string>;
  session(userId: string, id?: string): Promise<string>;
  file(userId: string, id?: string): Promise<string>;
  /** Relays and stores everything that was recorded. */
  settle(): Promise<void>;
}

/** Rows as the services leave them a few minutes ago, and a reconciler that waits for nothing. */
async function start(t: Test): Promise<Bench> {
  const parts = await startParts(t);
  const superuser = await connectSuperuser(t, parts.database);
  const { db: as } = createDatabase<Tables>({
    url: parts.database.url('audit_reconciler'),
    applicationName: 'test-reconciler',
  });
  t.teardown(() => as.destroy());
  const { db: files } = createDatabase<unknown>({
    url: parts.database.url('file_service'),
    applicationName: 'test-file',
  });
  t.teardown(() => files.destroy());
  const said: string[] = [];
  const log = {
    info: (about: object, message: string) => void said.push(`${message} ${JSON.stringify(about)}`),
    warn: (about: object, message: string) => void said.push(`${message} ${JSON.stringify(about)}`),
  };
  const reconciler = createReconciler({
    db: as,
    leases: parts.db,
    replica: 'a',
    log,
    settledMs: 0,
  });
  const open = async () =>
    (
      await parts.db
        .selectFrom('audit.differences')
        .select(['kind', 'row_type', 'row_id'])
        .where('resolved_at', 'is', null)
        .orderBy('kind')
        .orderBy('row_type')
        .execute()
    ).map(({ kind, row_type: type, row_id: id }) => `${type} ${kind} ${id}`);
  const recorders = {
    user: createEventRecorder({
      source: 'user',
      schema: 'identity',
      subjectKeys: parts.subjectKeys,
    }),
    file: createEventRecorder({ source: 'file', schema: 'files', subjectKeys: parts.subjectKeys }),
  };
  const ago = "now() - interval '3 minutes'";
  const relays = [parts.relay(), parts.relay({ db: files, schema: 'files', source: 'file' })];
  let isRelaying = false;
  return {
    ...parts,
    reconciler,
    superuser,
    as,
    said,
    async open() {
      await reconciler.compareRecent();
      return open();
    },
    async swept() {
      await reconciler.sweep();
      return open();
    },
    async act({ user_id: userId, ...event }, source = 'user') {
      await recorders[source](source === 'user' ? parts.producer : files, {
        user_id: userId,
        subject: { userId },
        personal: { ip: '192.0.2.1' },
        request_id: 'r1',
        ...event,
      });
    },
    async user(id = uuidv7(Date.now())) {
      await superuser.query(
        `
          insert into identity.users (id, email, email_key, created, updated)
          values ($1::uuid, $1::text, $1::text, ${ago}, ${ago})`,
        [id],
      );
      return id;
    },
    async session(userId, id = uuidv7(Date.now())) {
      await superuser.query(
        `insert into identity.sessions (id, user_id, created, idle_timeout, expires_at)
          values ($1, $2, ${ago}, interval '1 day', now() + interval '1 day')`,
        [id, userId],
      );
      return id;
    },
    async file(userId, id = uuidv7(Date.now())) {
      await superuser.query(
        `
          insert into files.files (id, user_id, name, object_key, status, size, mime_type, etag,
            created, updated)
          values ($1::uuid, $2, 'a', $1::text, 'ready', 1, 'text/plain', 'e', ${ago}, ${ago})`,
        [id, userId],
      );
      return id;
    },
    async settle() {
      if (!isRelaying) {
        for (const relay of relays) relay.start();
        parts.consumer().start();
        isRelaying = true;
      }
      await until(
        async () =>
          (
            await sql<{
              rows: number;
            }>`select sum(rows)::int8 as rows from shared.outbox_backlogs`.execute(parts.db)
          ).rows[0]?.rows === 0,
      );
    },
  };
}

const then = () => uuidv7(Date.now() - 180_000);

/** Makes normal traffic: sign-up, login, upload, password change, rename. */
async function traffic({
  user,
  session,
  file,
  act,
}: Bench): Promise<{ id: string; fileId: string; sessions: string[] }> {
  const id = await user();
  const [first, second, third] = [await session(id), await session(id), await session(id)];
  const fileId = await file(id);
  await act({
    id: then(),
    action: 'SIGNUP_SUCCESS',
    user_id: id,
    resource: id,
    resource_type: 'user',
    session_id: first,
  });
  await act({
    id: then(),
    action: 'LOGIN_SUCCESS',
    user_id: id,
    resource: id,
    resource_type: 'user',
    session_id: second,
  });
  await act({
    id: then(),
    action: 'PASSWORD_CHANGED',
    user_id: id,
    resource: id,
    resource_type: 'user',
    session_id: second,
    metadata: { new_session_id: third },
  });
  await act(
    { id: then(), action: 'FILE_UPLOAD', user_id: id, resource: fileId, resource_type: 'file' },
    'file',
  );
  return { id, fileId, sessions: [first, second, third] };
}

test('normal traffic makes no difference, even with events still in an outbox', async (t) => {
  const bench = await start(t);
  const ada = await traffic(bench);
  t.same(await bench.open(), [], 'in the outboxes');
  await bench.settle();
  t.ok((await storedIds(bench.db)).length >= 4);
  t.same(await bench.open(), [], 'in the log');
  t.same(await bench.swept(), []);
  await bench.superuser.query(
    "update identity.users set name = $2, updated = now() - interval '61 seconds' where id = $1",
    [ada.id, 'Ada'],
  );
  await bench.act({
    action: 'USER_UPDATED',
    user_id: ada.id,
    resource: ada.id,
    resource_type: 'user',
  });
  await bench.superuser.query(
    `update files.files set status = 'deleted', updated = now() - interval '61 seconds'
      where id = $1`,
    [ada.fileId],
  );
  await bench.act(
    { action: 'FILE_DELETE', user_id: ada.id, resource: ada.fileId, resource_type: 'file' },
    'file',
  );
  await bench.superuser.query('delete from identity.users where id = $1', [ada.id]);
  await bench.act({
    action: 'USER_DELETED',
    user_id: ada.id,
    resource: ada.id,
    resource_type: 'user',
  });
  t.same(await bench.open(), []);
  await bench.settle();
  t.same(await bench.swept(), []);
  t.same(bench.said, []);
});

test('a row inserted past the service is reported once', async (t) => {
  const bench = await start(t);
  await traffic(bench);
  const ghost = await bench.user(randomUUID());
  const session = await bench.session(ghost);
  const file = await bench.file(ghost);
  const expected = [
    `file row_without_event ${file}`,
    `session row_without_event ${session}`,
    `user row_without_event ${ghost}`,
  ];
  t.same(await bench.open(), expected);
  t.same(await bench.open(), expected);
  t.equal(bench.said.length, 3);
  await bench.settle();
  t.same(await bench.swept(), expected);
  await bench.act({
    action: 'SIGNUP_SUCCESS',
    user_id: ghost,
    resource: ghost,
    session_id: session,
  });
  t.same(await bench.open(), [expected[0]], 'a late event mends it');
  t.match(bench.said.slice(3).toSorted(), [/mended.*session/, /mended.*user/]);
});

test('an update or deletion past the service is reported', async (t) => {
  const bench = await start(t);
  const [ada, eve] = [await traffic(bench), await traffic(bench)];
  await bench.settle();
  const later = "now() - interval '61 seconds'";
  await bench.superuser.query(
    `update identity.users set type = 'admin', updated = ${later} where id = $1`,
    [ada.id],
  );
  await bench.superuser.query(
    `update files.files set status = 'deleted', updated = ${later} where id = $1`,
    [ada.fileId],
  );
  await bench.superuser.query('delete from identity.users where id = $1', [eve.id]);
  t.same(
    (await bench.open()).filter((line) => !line.startsWith('session')),
    [
      `file change_without_event ${ada.fileId}`,
      `user change_without_event ${ada.id}`,
      `user event_without_row ${eve.id}`,
    ],
  );
  t.same(
    (await bench.open()).filter((line) => line.startsWith('session')).length,
    3,
    'her sessions went with her',
  );
});

test('a row with a time far from now does not escape the sweep', async (t) => {
  const bench = await start(t);
  await traffic(bench);
  await bench.settle();
  const [future, past] = [await bench.user(randomUUID()), await bench.user(randomUUID())];
  await bench.superuser.query(
    `
      update identity.users
      set created = now() + interval '30 days', updated = now() + interval '30 days'
      where id = $1`,
    [future],
  );
  await bench.superuser.query(
    `
      update identity.users
      set created = now() - interval '3 years', updated = now() - interval '3 years'
      where id = $1`,
    [past],
  );
  t.same(await bench.swept(), [`user row_without_event ${future}`]);
  t.match(
    await bench.db.selectFrom('audit.reconciliation').selectAll().execute(),
    [{ unverifiable_rows: 1 }],
    'older than the log: counted',
  );
});

test('restored months and late events make no differences of archived months', async (t) => {
  const bench = await start(t);
  const { superuser } = bench;
  const now = new Date();
  const [back, archived, held] = [3, 2, 1].map(
    (months) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months)),
  ) as [Date, Date, Date];
  const nameOf = (month: Date): string => month.toISOString().slice(0, 7).replace('-', '_');
  const days = (month: Date, count: number): Date => new Date(month.getTime() + count * 86_400_000);
  await superuser.query('set role migrator');
  await superuser.query(
    `
      create table audit.events_${nameOf(back)} partition of audit.events
        for values from (audit.uuid_floor('${back.toISOString()}'))
        to (audit.uuid_floor('${archived.toISOString()}'))`,
  );
  await superuser.query('reset role');
  const archive = `
    insert into audit.archives (month, object_key, rows, tree_size, bytes, sha256, dropped_at)
    values ($1, 'k', 1, 1, 1, decode(repeat('00', 32), 'hex'), now())`;
  for (const month of [back, archived]) await superuser.query(archive, [nameOf(month)]);
  const bornAt = async (time: Date): Promise<string> => {
    const id = await bench.user();
    await superuser.query('update identity.users set created = $2, updated = $2 where id = $1', [
      id,
      time,
    ]);
    return id;
  };
  // Both events are in the archive; the second was numbered just before midnight.
  await bornAt(days(archived, 10));
  await bornAt(new Date(held.getTime() + 20));
  const ghost = await bornAt(days(held, 9));
  // As a restore leaves it; who signed up then was deleted in the month that is away.
  await bench.act({
    id: uuidv7(days(back, 9).getTime()),
    action: 'SIGNUP_SUCCESS',
    user_id: randomUUID(),
    resource: randomUUID(),
    resource_type: 'user',
  });
  await bench.settle();
  t.same(
    await bench.swept(),
    [`user row_without_event ${ghost}`],
    'what is younger than the archives is compared',
  );
});

test('an upload that took hours is no difference', async (t) => {
  const bench = await start(t);
  const { id } = await traffic(bench);
  const file = await bench.file(id);
  await bench.superuser.query(
    "update files.files set created = now() - interval '5 hours' where id = $1",
    [file],
  );
  await bench.act({ action: 'FILE_UPLOAD', user_id: id, resource: file }, 'file');
  await bench.settle();
  t.same(await bench.swept(), []);
});

test('what only looks like a difference hides none, however much of it there is', async (t) => {
  const bench = await start(t);
  const { id } = await traffic(bench);
  for (const _ of [1, 2, 3]) {
    const file = await bench.file(id);
    await bench.superuser.query(
      "update files.files set created = now() - interval '5 hours' where id = $1",
      [file],
    );
    await bench.act({ action: 'FILE_UPLOAD', user_id: id, resource: file }, 'file');
  }
  const ghost = await bench.file(id, 'ffffffff-ffff-7fff-bfff-ffffffffffff');
  await bench.superuser.query(
    "update files.files set created = now() - interval '5 hours' where id = $1",
    [ghost],
  );
  await bench.settle();
  await createReconciler({
    db: bench.as,
    leases: bench.db,
    replica: 'a',
    log: { info() {}, warn() {} },
    settledMs: 0,
    page: 2,
  }).sweep();
  t.same(
    await bench.db
      .selectFrom('audit.differences')
      .select('row_id')
      .where('kind', '=', 'row_without_event')
      .execute(),
    [{ row_id: ghost }],
  );
});

test('what is younger than a minute is left alone', async (t) => {
  const bench = await start(t);
  const young = createReconciler({
    db: bench.as,
    leases: bench.db,
    replica: 'a',
    log: { info() {}, warn() {} },
  });
  const id = await bench.user();
  await bench.superuser.query(
    'update identity.users set created = now(), updated = now() where id = $1',
    [id],
  );
  await young.compareRecent();
  t.same((await bench.db.selectFrom('audit.differences').selectAll().execute()).length, 0);
});

test("the reconciler's role reads ids and times, and no content", async (t) => {
  const { as } = await start(t);
  for (const table of [
    'identity.users',
    'identity.sessions',
    'files.files',
    'audit.events',
    'identity.outbox',
    'audit.lanes',
    'keys.subject_keys',
  ]) {
    await t.rejects(sql`select * from ${sql.table(table)}`.execute(as), /permission denied/, table);
  }
  await t.rejects(sql`delete from audit.differences`.execute(as), /permission denied/);
});
