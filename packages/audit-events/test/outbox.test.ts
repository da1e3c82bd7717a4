import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { test } from 'tap';
import { acquireLease, type Lease } from '@muniment/database';
import { connectSuperuser, rowsOf, untilBlocked } from '@muniment/testing';
import type { AuditEvent } from '../src/event.ts';
import { claimRows, claimUnstored, deleteStored, outboxBacklog } from '../src/outbox.ts';
import {
  aRequest,
  markStored,
  numberingFaults,
  outboxRows,
  startProducer,
  type Producer,
} from './parts.ts';

async function lead({ db }: Producer, holder = 'a', ttlMs = 60_000): Promise<Lease> {
  const lease = await acquireLease(db, { schema: 'identity', name: 'relay', holder, ttlMs });
  if (!lease) throw new Error('no lease');
  return lease;
}

const eventsOf = (records: readonly { text: string }[] | undefined): AuditEvent[] =>
  (records ?? []).map(({ text }) => JSON.parse(text) as AuditEvent);

const total = (lanes: readonly { rows: number }[]): number =>
  lanes.reduce((sum, { rows }) => sum + rows, 0);

test('a row committed after later rows were claimed is still claimed', async (t) => {
  const producer = await startProducer(t);
  const { db, recordEvent } = producer;
  const lease = await lead(producer);
  const subject = { userId: '018f0000-0000-7000-8000-000000000001' };
  await recordEvent(db, aRequest({ subject }));
  let slowId = '';
  const claimedEarly: AuditEvent[] = [];
  await db.transaction().execute(async (slow) => {
    slowId = await recordEvent(slow, aRequest({ subject }));
    await recordEvent(db, aRequest({ subject }));
    claimedEarly.push(...eventsOf(await claimRows(db, lease, { limit: 500 })));
  });
  t.equal(claimedEarly.length, 2, 'the rows around it went first');
  const late = eventsOf(await claimRows(db, lease, { limit: 500 }));
  t.same(
    late.map(({ id }) => id),
    [slowId],
  );
  t.same(numberingFaults([...claimedEarly, ...late]), []);
});

test('numbers go on after every row of a lane was stored and deleted', async (t) => {
  const producer = await startProducer(t);
  const { db, audit, recordEvent } = producer;
  const lease = await lead(producer);
  const subject = { userId: '018f0000-0000-7000-8000-000000000002' };
  for (let n = 0; n < 3; n += 1) await recordEvent(db, aRequest({ subject }));
  const first = eventsOf(await claimRows(db, lease, { limit: 500 }));
  await markStored(audit, first);
  t.equal(total(await deleteStored(db, 'identity', 'user')), 3);
  t.same(await outboxRows(db), []);
  await recordEvent(db, aRequest({ subject }));
  const next = eventsOf(await claimRows(db, lease, { limit: 500 }));
  t.same(
    [...first, ...next].map(({ seq }) => seq),
    [1, 2, 3, 4],
  );
});

test('a row is deleted only behind the watermark: one beyond a hole stays', async (t) => {
  const producer = await startProducer(t);
  const { db, audit, recordEvent } = producer;
  const lease = await lead(producer);
  const subject = { userId: '018f0000-0000-7000-8000-000000000003' };
  for (let n = 0; n < 3; n += 1) await recordEvent(db, aRequest({ subject }));
  const events = eventsOf(await claimRows(db, lease, { limit: 500 }));
  await markStored(
    audit,
    events.filter(({ seq }) => seq !== 2),
  );
  t.equal(total(await deleteStored(db, 'identity', 'user')), 1);
  t.same(
    (await outboxRows(db)).map(({ seq }) => seq),
    [2, 3],
  );
  t.same(
    eventsOf(await claimUnstored(db, lease, { source: 'user', afterMs: 0, limit: 500 })).map(
      ({ seq }) => seq,
    ),
    [2, 3],
    'both are sent again',
  );
  t.same(
    await claimUnstored(db, lease, { source: 'user', afterMs: 60_000, limit: 500 }),
    [],
    'and then not for a while',
  );
});

test('a holder whose lease ran out writes nothing, even without a successor', async (t) => {
  const producer = await startProducer(t);
  const lease = await lead(producer, 'a', 50);
  await producer.recordEvent(producer.db, aRequest());
  await sleep(80);
  t.equal(await claimRows(producer.db, lease, { limit: 500 }), undefined);
  t.equal(
    await claimUnstored(producer.db, lease, { source: 'user', afterMs: 0, limit: 500 }),
    undefined,
  );
  t.equal((await outboxRows(producer.db))[0]?.seq, null);
});

test('a holder that was stopped cannot give numbers after its successor took over', async (t) => {
  const producer = await startProducer(t);
  const { db, recordEvent } = producer;
  const stopped = await lead(producer, 'a', 50);
  await sleep(80);
  const successor = await lead(producer, 'b');
  await recordEvent(db, aRequest());
  t.equal(await claimRows(db, stopped, { limit: 500 }), undefined);
  t.equal((await outboxRows(db))[0]?.seq, null, 'no number was given');
  t.equal((await claimRows(db, successor, { limit: 500 }))?.length, 1);
});

test('a successor waits for numbers being assigned, so none is assigned twice', async (t) => {
  const producer = await startProducer(t);
  const { db, recordEvent } = producer;
  await lead(producer, 'a', 200);
  await recordEvent(db, aRequest());
  let taken = false;
  await db.transaction().execute(async (trx) => {
    await sql`select 1 from identity.leases where name = 'relay' for share`.execute(trx);
    await sleep(250);
    const taking = acquireLease(db, {
      schema: 'identity',
      name: 'relay',
      holder: 'b',
      ttlMs: 60_000,
    }).then(() => {
      taken = true;
    });
    await sleep(150);
    t.equal(taken, false);
    void taking;
  });
  await sleep(100);
  t.equal(taken, true);
});

test('the backlog tells how many rows wait and for how long', async (t) => {
  const { db, recordEvent } = await startProducer(t);
  t.same(await outboxBacklog(db, 'identity'), { rows: 0, oldestSeconds: 0 });
  await recordEvent(db, aRequest());
  await sleep(60);
  const { rows, oldestSeconds } = await outboxBacklog(db, 'identity');
  t.equal(rows, 1);
  t.ok(oldestSeconds >= 0.05 && oldestSeconds < 10, `${oldestSeconds} s`);
});

test("a long backlog is counted to a bound, and its age is its first row's", async (t) => {
  const { db, recordEvent } = await startProducer(t);
  for (let n = 0; n < 7; n += 1) await recordEvent(db, aRequest());
  await sql`
    update identity.outbox set created_at = now() - interval '90 seconds'
    where position = (select min(position) from identity.outbox)`.execute(db);
  const { rows, oldestSeconds } = await outboxBacklog(db, 'identity', 5);
  t.equal(rows, 6, 'more than five');
  t.ok(oldestSeconds >= 90 && oldestSeconds < 100, `${oldestSeconds} s`);
  t.equal((await outboxBacklog(db, 'identity', 7)).rows, 7);
});

test('claims that run at once under one lease give each row one number', async (t) => {
  const producer = await startProducer(t);
  const { db, recordEvent } = producer;
  const lease = await lead(producer);
  for (let n = 0; n < 60; n += 1)
    await recordEvent(
      db,
      aRequest({ subject: { userId: '018f0000-0000-7000-8000-00000000000a' } }),
    );
  const claims = await Promise.all([1, 2, 3].map(() => claimRows(db, lease, { limit: 500 })));
  const events = claims.flatMap(eventsOf);
  t.equal(events.length, 60);
  t.same(
    events.map(({ seq }) => seq).toSorted((a, b) => a - b),
    Array.from({ length: 60 }, (_, n) => n + 1),
  );
});

test('a row that another claim numbers meanwhile keeps its number', async (t) => {
  const producer = await startProducer(t);
  const { db, database, recordEvent } = producer;
  const lease = await lead(producer);
  const rival = await connectSuperuser(t, database);
  for (let n = 0; n < 2; n += 1)
    await recordEvent(
      db,
      aRequest({ subject: { userId: '018f0000-0000-7000-8000-00000000000a' } }),
    );
  await rival.query('begin');
  await rival.query(`update identity.outbox set seq = 901, sent_at = now()
    where position = (select min(position) from identity.outbox)`);
  const claim = claimRows(db, lease, { limit: 500 });
  await untilBlocked(rowsOf(rival), 'the claim waits for the row');
  await rival.query('commit');
  t.equal((await claim)?.length, 1);
  t.strictSame(
    (await outboxRows(db)).map(({ seq }) => seq),
    [901, 1],
  );
});

test('what is stored of another source deletes no row', async (t) => {
  const producer = await startProducer(t);
  const { db, audit, recordEvent } = producer;
  const lease = await lead(producer);
  await recordEvent(db, aRequest());
  const events = eventsOf(await claimRows(db, lease, { limit: 500 }));
  await markStored(
    audit,
    events.map((event) => ({ ...event, source: 'file' })),
  );
  t.equal(total(await deleteStored(db, 'identity', 'user')), 0);
  t.equal((await outboxRows(db)).length, 1);
});

for (const schema of ['identity', 'files', 'audit', 'app'])
  test(`no two rows of the outbox of ${schema} have one number`, async (t) => {
    const { database } = await startProducer(t);
    const client = await connectSuperuser(t, database);
    const insert = (lane: number) =>
      client.query(
        `insert into ${schema}.outbox (event_id, lane, seq, head, tail)
         values (gen_random_uuid(), $1, 7, '', '')`,
        [lane],
      );
    await insert(3);
    await insert(4);
    await t.rejects(insert(3), { code: '23505', constraint: 'outbox_claimed' });
  });
