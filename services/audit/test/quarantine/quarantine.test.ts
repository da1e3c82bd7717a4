import { randomUUID } from 'node:crypto';
import { test } from 'tap';
import { sql } from 'kysely';
import { canonicalJson, type AuditEvent } from '@muniment/audit-events';
import { acquireLease } from '@muniment/database';
import { storeBatch } from '../../consumer/store-batch.ts';
import { findSent } from '../../event-store/sent-event-queries.ts';
import { sealBatch } from '../../sealing/seal-batch.ts';
import { storedIds } from '../parts.ts';
import { build, type Caller, type TestServer } from '../build.ts';
import { aLease, aRecord, anEvent, asSent } from '../records.ts';

interface Entry {
  id: string;
  reason: string;
  detail: string;
  size: number;
  counted: boolean;
  bytes: string;
  truncated: boolean;
  event: Record<string, unknown> | null;
  replay: { outcome: string; replayed_by: string } | null;
}

const attested = { attest: findSent };
const list = async ({ get }: TestServer, admin: Caller, query = '') =>
  (await get(`/api/audit/quarantine${query}`, admin)).json<Entry[]>();
const post =
  (path: string) =>
  ({ server }: TestServer, caller: Caller, payload?: object) =>
    server.http.app.inject({
      method: 'POST',
      url: `/api/audit/quarantine/${path}`,
      headers: { authorization: `Bearer ${caller.token}` },
      ...(payload && { payload }),
    });
const replay = (parts: TestServer, caller: Caller, id: string) =>
  post(`${id}/replay`)(parts, caller);
const replayAll = post('replay');

async function countEvents({ db }: TestServer, action: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from audit.outbox
    where head like ${`%"action":"${action}"%`}`.execute(db);
  return rows[0]?.count ?? 0;
}

const quarantined = async (parts: TestServer, data: Buffer): Promise<string> => {
  await storeBatch(
    { db: parts.db, ttlMs: 5_000, ...attested, subjectKeys: parts.subjectKeys },
    await aLease(parts.db, { shardIds: [`shard-${randomUUID()}`] }),
    { records: [{ ...aRecord(''), data }] },
  );
  return (
    await parts.db
      .selectFrom('audit.quarantine')
      .select('id')
      .orderBy('id', 'desc')
      .executeTakeFirstOrThrow()
  ).id;
};

/** Quarantines an event that the database refuses: it counts, but is not stored. */
async function refused(parts: TestServer, event: AuditEvent, sealed: boolean): Promise<string> {
  await parts.superuser.query(
    "alter table audit.events add constraint refusing check (resource <> 'refused')",
  );
  await asSent(parts.producer, [event]);
  await storeBatch({ db: parts.db, ttlMs: 5_000, ...attested }, await aLease(parts.db), {
    records: [aRecord(event)],
  });
  await sql`delete from identity.outbox`.execute(parts.producer);
  const lease = await acquireLease(parts.db, {
    schema: 'audit',
    name: 'sealer',
    holder: 'test',
    ttlMs: 60_000,
  });
  if (sealed && lease) await sealBatch(parts.db, lease, { limit: 100 });
  await parts.superuser.query('alter table audit.events drop constraint refusing');
  return (await parts.db.selectFrom('audit.quarantine').select('id').executeTakeFirstOrThrow()).id;
}

test('the list has reason, first bytes and event, without personal values', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  const forged = anEvent({ seq: 7, metadata: { note: 'from far away' } });
  await quarantined(parts, Buffer.from('poison'));
  await quarantined(parts, Buffer.from(canonicalJson(forged)));
  await quarantined(parts, Buffer.alloc(200_000, 'y'));
  const answer = await parts.get('/api/audit/quarantine', admin);
  t.equal(answer.statusCode, 200, answer.body);
  const [huge, second, first] = answer.json<Entry[]>();
  t.match(huge, { reason: 'unreadable', size: 200_000, truncated: true, event: null });
  t.match(second, {
    reason: 'forged',
    counted: false,
    event: { id: forged.id, source: 'user', lane: 3, seq: 7, action: 'LOGIN_SUCCESS' },
    replay: null,
  });
  t.notOk(JSON.stringify(second?.event).includes('from far away'));
  t.notOk(JSON.stringify(second?.event).includes('personal'));
  t.equal(Buffer.from(first?.bytes ?? '', 'base64').toString(), 'poison');
  t.equal(await countEvents(parts, 'AUDIT_READ'), 1);

  t.same(
    (await list(parts, admin, '?reason=forged')).map(({ id }) => id),
    [second?.id],
  );
  const page = await parts.get('/api/audit/quarantine?limit=2', admin);
  const next = /<([^>]+)>/.exec(String(page.headers.link))?.[1];
  t.same(
    (await parts.get(next ?? '', admin)).json<Entry[]>().map(({ id }) => id),
    [first?.id],
  );
  t.equal((await parts.get('/api/audit/quarantine?reason=other', admin)).statusCode, 400);
  t.equal((await parts.get('/api/audit/quarantine?cursor=x', admin)).statusCode, 400);
});

for (const sealed of [false, true]) {
  test(`a replay ${sealed ? 'after' : 'before'} the lane's sealing stores and seals once`, async (t) => {
    const parts = await build(t);
    const admin = await parts.signIn('admin');
    const event = anEvent({ resource: 'refused' });
    const id = await refused(parts, event, sealed);
    const before = (await parts.get('/api/audit/completeness', admin)).json<{
      complete: boolean;
      alarms: { code: string }[];
    }>();
    t.equal(before.complete, false);
    t.ok(before.alarms.some(({ code }) => code === 'event_quarantined'));

    const answers = await Promise.all([1, 2, 3].map(() => replay(parts, admin, id)));
    t.same(
      answers.map(({ statusCode }) => statusCode),
      [200, 200, 200],
      answers.map(({ body }) => body).join('\n'),
    );
    t.equal(new Set(answers.map(({ body }) => body)).size, 1, 'one answer');
    t.match(answers[0]?.json(), { id, event_id: event.id, outcome: 'stored' });
    t.same(await storedIds(parts.db), [event.id]);
    t.equal(await countEvents(parts, 'QUARANTINE_REPLAYED'), 1);
    const lease = await acquireLease(parts.db, {
      schema: 'audit',
      name: 'sealer',
      holder: 'test',
      ttlMs: 60_000,
    });
    if (lease)
      for (let round = 0; round < 3; round += 1) await sealBatch(parts.db, lease, { limit: 100 });
    t.same(
      (await parts.db.selectFrom('audit.sealed').select('event_id').execute()).map(
        (row) => row.event_id,
      ),
      [event.id],
    );
    t.match(await list(parts, admin, '?replayed=true'), [
      { id, replay: { outcome: 'stored', replayed_by: admin.id } },
    ]);
    t.notOk(
      (await parts.get('/api/audit/completeness', admin))
        .json<{ alarms: { code: string }[] }>()
        .alarms.some(({ code }) => code === 'event_quarantined'),
    );
  });
}

test('a record whose event arrived by itself is marked as known', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  const event = anEvent();
  const id = await quarantined(parts, Buffer.from(canonicalJson(event)));
  await asSent(parts.producer, [event]);
  await storeBatch({ db: parts.db, ttlMs: 5_000, ...attested }, await aLease(parts.db), {
    records: [aRecord(event)],
  });
  t.match((await replay(parts, admin, id)).json(), { outcome: 'known' });
  t.same(await storedIds(parts.db), [event.id]);
});

test('a rival that came after the event of its number is never replayed', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  const event = anEvent();
  await asSent(parts.producer, [event]);
  await storeBatch({ db: parts.db, ttlMs: 5_000, ...attested }, await aLease(parts.db), {
    records: [aRecord(event)],
  });
  const rival = await quarantined(parts, Buffer.from(canonicalJson(anEvent())));
  t.match((await replay(parts, admin, rival)).json(), {
    status: 409,
    code: 'quarantine_contradicted',
  });
  t.same(await storedIds(parts.db), [event.id]);
});

test('a replayed event that its outbox attests is stored, and its number counts', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  const event = anEvent();
  const id = await quarantined(parts, Buffer.from(canonicalJson(event)));
  await asSent(parts.producer, [event]);
  t.match((await replay(parts, admin, id)).json(), { outcome: 'stored' });
  t.same(await storedIds(parts.db), [event.id]);
  const { watermark } = await parts.db
    .selectFrom('audit.lanes')
    .select('watermark')
    .where('source', '=', event.source)
    .where('lane', '=', event.lane)
    .executeTakeFirstOrThrow();
  t.equal(watermark, event.seq);
});

test('a record that cannot be replayed stays, and the answer says why', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  const event = anEvent();
  const rival = anEvent();
  const garbage = await quarantined(parts, Buffer.from('poison'));
  const huge = await quarantined(parts, Buffer.alloc(100_000, 'y'));
  const forged = await quarantined(parts, Buffer.from(canonicalJson(rival)));
  const answer = async (id: string) => {
    const { statusCode, body } = await replay(parts, admin, id);
    return [statusCode, (JSON.parse(body) as { code: string }).code];
  };
  t.same(await answer(garbage), [422, 'quarantine_unreadable']);
  t.same(await answer(huge), [422, 'quarantine_unreadable']);
  t.same(await answer(forged), [409, 'quarantine_forged']);
  await asSent(parts.producer, [event]);
  await storeBatch({ db: parts.db, ttlMs: 5_000, ...attested }, await aLease(parts.db), {
    records: [aRecord(event)],
  });
  t.same(
    await answer(forged),
    [409, 'quarantine_contradicted'],
    'its number belongs to another event now',
  );
  t.same(await answer(randomUUID()), [404, 'quarantine_not_found']);
  t.equal((await replay(parts, admin, 'x')).statusCode, 400);
  t.same(await storedIds(parts.db), [event.id]);
  t.equal(await countEvents(parts, 'QUARANTINE_REPLAYED'), 0);

  const all = (await replayAll(parts, admin, { limit: 10 })).json<{
    replayed: unknown[];
    failed: { id: string; code: string }[];
  }>();
  t.same(all.replayed, []);
  t.same(all.failed.map(({ code }) => code).toSorted(), [
    'quarantine_contradicted',
    'quarantine_unreadable',
    'quarantine_unreadable',
  ]);
});

test('a record that the database still refuses can be replayed later', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  const event = anEvent({ resource: 'refused' });
  const id = await refused(parts, event, false);
  await parts.superuser.query(
    "alter table audit.events add constraint refusing check (resource <> 'refused')",
  );
  t.match((await replay(parts, admin, id)).json(), { status: 422, code: 'quarantine_refused' });
  await parts.superuser.query('alter table audit.events drop constraint refusing');
  t.match((await replayAll(parts, admin, { reason: 'refused' })).json(), {
    replayed: [{ id, outcome: 'stored' }],
    failed: [],
  });
});

test("an erasure empties a user's records, and our events can be replayed", async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  const event = anEvent({ resource: 'refused' });
  const id = await refused(parts, event, false);
  const other = await quarantined(
    parts,
    Buffer.from(`damaged ${event.user_id?.toUpperCase()} and more`),
  );
  await quarantined(parts, Buffer.from('nobody'));
  await sql`select audit.forget_quarantined(${event.user_id})`.execute(parts.db);
  t.same(
    (await list(parts, admin)).map(({ bytes, size }) => [bytes === '', size > 0]),
    [
      [false, true],
      [true, true],
      [false, true],
    ],
  );
  t.match((await replay(parts, admin, other)).json(), { code: 'quarantine_unreadable' });
  t.match((await parts.get('/api/audit/completeness', admin)).json(), {
    quarantine: { records: 3, events_missing: 1 },
  });
  t.match((await replay(parts, admin, id)).json(), { outcome: 'stored' });
});

test('operators alone list and replay, and the service changes no record', async (t) => {
  const parts = await build(t);
  const customer = await parts.signIn('customer');
  t.equal((await parts.get('/api/audit/quarantine', customer)).statusCode, 403);
  t.equal((await replay(parts, customer, randomUUID())).statusCode, 403);
  t.equal((await replayAll(parts, customer, {})).statusCode, 403);
  for (const statement of [
    sql`update audit.quarantine set detail = ''`,
    sql`delete from audit.quarantine`,
    sql`update audit.quarantine_replays set outcome = 'known'`,
  ]) {
    await t.rejects(statement.execute(parts.db), /permission denied/);
  }
});
