import { test } from 'tap';
import { uuidv7 } from '@muniment/database';
import { deleteOldClaims } from '../app-events/app-event-queries.ts';
import { runMaintenance } from '../maintenance.ts';
import { build } from './build.ts';
import { aLease, aRecord, anEvent } from './records.ts';
import { storeBatch } from '../consumer/store-batch.ts';

const partitions = async (superuser: {
  query(text: string): Promise<{ rows: { name: string }[] }>;
}) =>
  (
    await superuser.query(
      `select relname as name from pg_class
       where relnamespace = 'audit'::regnamespace and relispartition and relkind = 'r' order by 1`,
    )
  ).rows.map(({ name }) => name);

const monthName = (ahead: number): string => {
  const now = new Date();
  const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead));
  return `events_${month.toISOString().slice(0, 7).replace('-', '_')}`;
};

test('this month and the two next have their partitions', async (t) => {
  const { server, superuser, db } = await build(t);
  await superuser.query(`drop table audit.${monthName(1)}`);
  await Promise.all([runMaintenance(server), runMaintenance(server)]);
  t.same(
    await partitions(superuser),
    [monthName(0), monthName(1), monthName(2), 'events_default'].toSorted(),
  );
  await storeBatch({ db, ttlMs: 5_000 }, await aLease(db), { records: [aRecord(anEvent())] });
  t.equal((await superuser.query(`select 1 from audit.${monthName(0)}`)).rowCount, 1);
});

test('an event from the far future does not stop the making of partitions', async (t) => {
  const { server, superuser, db } = await build(t);
  await superuser.query(`drop table audit.${monthName(1)}, audit.${monthName(2)}`);
  const now = new Date();
  const nextMonth = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 10);
  await storeBatch({ db, ttlMs: 5_000 }, await aLease(db), {
    records: [
      aRecord(
        anEvent({
          id: `${nextMonth
            .toString(16)
            .padStart(12, '0')
            .replace(/^(.{8})/, '$1-')}-7000-8000-000000000001`,
        }),
      ),
    ],
  });
  await runMaintenance(server);
  t.same(await partitions(superuser), [monthName(0), monthName(2), 'events_default'].toSorted());
});

test("ids of customers' events are forgotten after their days, however many", async (t) => {
  const { server, db, superuser } = await build(t, { APP_EVENT_ID_DAYS: '7' });
  const claim = (days: number, name: string) =>
    superuser.query(
      `insert into audit.app_events (tenant_id, caller_id, event_id, fingerprint)
       values ('acme', $1, $2, '')`,
      [name, uuidv7(Date.now() - days * 86_400_000)],
    );
  for (let n = 0; n < 7; n += 1) await claim(8 + n, `old-${n}`);
  await claim(6.9, 'young');
  await claim(0, 'new');
  t.equal(await deleteOldClaims(db, new Date(Date.now() - 9.5 * 86_400_000), 2), 5, 'in batches');
  await runMaintenance(server);
  const { rows } = await superuser.query('select caller_id from audit.app_events order by 1');
  t.same(rows, [{ caller_id: 'new' }, { caller_id: 'young' }]);
});

test('day keys are deleted after thirty days, keys of users stay', async (t) => {
  const { server, superuser } = await build(t);
  const day = (ago: number): string =>
    `day:${new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10)}`;
  for (const subject of [day(31), day(400), day(30), day(0), 'user']) {
    await superuser.query(
      'insert into keys.subject_keys (key_id, subject, wrapped) values (gen_random_uuid(), $1, $2)',
      [subject, Buffer.of(1)],
    );
  }
  await runMaintenance(server);
  const { rows } = await superuser.query<{ subject: string }>(
    'select subject from keys.subject_keys order by 1',
  );
  t.same(
    rows.map(({ subject }) => subject),
    [day(30), day(0), 'user'].toSorted(),
  );
});

test("the service's role may insert into the log but never change it", async (t) => {
  const { db } = await build(t);
  await t.rejects(
    db.updateTable('audit.events').set({ action: 'X' }).execute(),
    /permission denied/,
  );
  await t.rejects(db.deleteFrom('audit.events').execute(), /permission denied/);
  await t.rejects(db.deleteFrom('audit.quarantine').execute(), /permission denied/);
  await t.rejects(db.deleteFrom('audit.lanes').execute(), /permission denied/);
});

test('dead deliveries are deleted after thirty days, waiting ones stay', async (t) => {
  const { server, superuser } = await build(t);
  await superuser.query(`
    insert into audit.webhooks
      (id, url, actions, include_personal, wrapped_secret, position, created_by)
    values ('018f2a3b-4c5d-7e6f-8a9b-0c1d2e3f4a5b', 'https://example.com/', '{}', false,
      '\\x00', -1, gen_random_uuid())`);
  for (const [index, status, days] of [
    [0, 'dead', 31],
    [1, 'dead', 29],
    [2, 'pending', 31],
  ]) {
    await superuser.query(
      `insert into audit.webhook_deliveries (webhook_id, event_id, index, status, last_attempt_at)
      values ('018f2a3b-4c5d-7e6f-8a9b-0c1d2e3f4a5b', gen_random_uuid(), $1, $2,
         now() - $3 * interval '1 day')`,
      [index, status, days],
    );
  }
  await runMaintenance(server);
  const { rows } = await superuser.query<{ index: string }>(
    'select index from audit.webhook_deliveries order by 1',
  );
  t.same(
    rows.map(({ index }) => Number(index)),
    [1, 2],
  );
});

test('ended viewer tokens are deleted', async (t) => {
  const { server, superuser } = await build(t);
  for (const expires of ["now() - interval '1 second'", "now() + interval '1 hour'"]) {
    await superuser.query(
      `insert into audit.viewer_tokens (id, token_hash, tenant_id, created_by, expires_at)
       values (gen_random_uuid(), sha256(gen_random_uuid()::text::bytea), 'acme',
         gen_random_uuid(), ${expires})`,
    );
  }
  await runMaintenance(server);
  t.equal((await superuser.query('select from audit.viewer_tokens')).rowCount, 1);
});
