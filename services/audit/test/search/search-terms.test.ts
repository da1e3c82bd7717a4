import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type Test } from 'tap';
import { sql } from 'kysely';
import {
  createEventRecorder,
  createSubjectKeys,
  decodeRecord,
  type AuditEvent,
  type NewEvent,
} from '@muniment/audit-events';
import { createDatabase } from '@muniment/database';
import { connectSuperuser, createTestDatabase, timeBound } from '@muniment/testing';
import { createMasterKey, generateMasterKey, type MasterKey } from '@muniment/master-key';
import { storeBatch } from '../../consumer/store-batch.ts';
import {
  insertSearchTerms,
  deleteAddressTerms,
  deleteSearchTerms,
} from '../../search/search-term-queries.ts';
import { createSearchTerms } from '../../search/search-terms.ts';
import type { Tables } from '../../tables.ts';
import { aLease, aRecord } from '../records.ts';

const silent = { info() {}, warn() {} };

async function open(t: Test) {
  const database = await createTestDatabase(t);
  const { db } = createDatabase<Tables>({
    url: database.url('audit_service'),
    applicationName: 'test',
  });
  const { db: producer } = createDatabase<unknown>({
    url: database.url('user_service'),
    applicationName: 'test',
  });
  const superuser = await connectSuperuser(t, database);
  t.teardown(async () => {
    await db.destroy();
    await producer.destroy();
  });
  const masterKey = createMasterKey(Buffer.from(generateMasterKey(), 'base64'));
  const record = createEventRecorder({
    source: 'user',
    schema: 'identity',
    subjectKeys: createSubjectKeys(masterKey),
  });
  let seq = 0;
  return {
    database,
    db,
    superuser,
    masterKey,
    terms: (key: MasterKey = masterKey) =>
      createSearchTerms({ db, masterKey: key, subjectKeys: createSubjectKeys(key), log: silent }),
    async event(more: Partial<NewEvent> = {}): Promise<AuditEvent> {
      const userId = randomUUID();
      const id = await record(producer, {
        action: 'LOGIN_SUCCESS',
        subject: { userId },
        personal: { ip: '192.0.2.7', email: 'Ada@Example.com' },
        request_id: 'r',
        ...more,
      });
      const { rows } = await sql<{
        head: string;
        tail: string;
      }>`select head, tail from identity.outbox where event_id = ${id}`.execute(producer);
      seq += 1;
      const decoded = decodeRecord(Buffer.from(`${rows[0]?.head},"seq":${seq},${rows[0]?.tail}`));
      if ('fault' in decoded) throw new Error(decoded.fault);
      // One lane, so that the numbers of a test have no hole.
      return { ...decoded.event, lane: 3 };
    },
    rows: async () =>
      await db.selectFrom('audit.search_terms').select(['term', 'event_id', 'subject']).execute(),
  };
}

const erase = (db: Awaited<ReturnType<typeof open>>['db'], subject: string) =>
  sql`select keys.erase_subject(${subject})`.execute(db);

test('events are found by address and e-mail at any replica; terms reveal neither', async (t) => {
  const { db, terms, event, rows } = await open(t);
  const [first, second, other] = [
    await event(),
    await event({ personal: { ip: '::ffff:192.0.2.7' } }),
    await event({ personal: { ip: '2001:db8::1', email: 'eve@example.com' } }),
  ];
  await storeBatch({ db, ttlMs: 5_000, searchTerms: terms() }, await aLease(db), {
    records: [first, second, other].map(aRecord),
  });
  const found = async (kind: 'ip' | 'email', value: string) => {
    const term = await terms().term(kind, value);
    t.equal(term.length, 16);
    return (await rows())
      .filter((row) => row.term.equals(term))
      .map((row) => row.event_id)
      .toSorted();
  };
  t.same(await found('ip', '192.0.2.7'), [first.id, second.id].toSorted());
  t.same(await found('email', 'ada@example.com'), [first.id]);
  t.same(await found('ip', '2001:DB8::1'), [other.id]);
  t.same(await found('email', '192.0.2.7'), [], 'an address is no e-mail');
  t.equal((await rows()).length, 5);
});

test('a replayed batch adds no term twice, and a rolled-back batch adds none', async (t) => {
  const { db, terms, event, rows } = await open(t);
  const records = [aRecord(await event()), aRecord(await event())];
  const lease = await aLease(db);
  await t.rejects(
    storeBatch(
      { db, ttlMs: 5_000, searchTerms: terms() },
      { ...lease, epoch: lease.epoch + 1 },
      { records },
    ),
  );
  t.same(await rows(), []);
  await storeBatch({ db, ttlMs: 5_000, searchTerms: terms() }, lease, { records });
  await storeBatch({ db, ttlMs: 5_000, searchTerms: terms() }, lease, { records });
  t.equal((await rows()).length, 4);
});

test('an erased subject gets no terms, though a replica still holds its key', async (t) => {
  const { db, terms, event, rows } = await open(t);
  const userId = randomUUID();
  const [one, two] = [await event({ subject: { userId } }), await event({ subject: { userId } })];
  const cached = terms();
  await storeBatch({ db, ttlMs: 5_000, searchTerms: cached }, await aLease(db), {
    records: [aRecord(one)],
  });
  t.equal((await rows()).length, 2);
  await erase(db, userId);
  await db.transaction().execute((trx) => deleteSearchTerms(trx, userId));
  const lease = await aLease(db, { shardIds: ['shard-1'] });
  await storeBatch({ db, ttlMs: 5_000, searchTerms: cached }, lease, {
    records: [aRecord(two), aRecord(await event())],
  });
  t.same(
    (await rows()).filter(({ subject }) => subject === userId),
    [],
  );
  t.equal((await rows()).length, 2, 'the others of the batch have theirs');
});

test('an erasure and a batch of the same subject leave no term, in either order', async (t) => {
  const { db, terms, event, rows } = await open(t);
  const cached = terms();
  for (let round = 0; round < 25; round += 1) {
    const userId = randomUUID();
    const events = [await event({ subject: { userId } }), await event({ subject: { userId } })];
    const lease = await aLease(db, { shardIds: [`shard-${round}`] });
    await cached.createTerms(events);
    await Promise.all([
      storeBatch({ db, ttlMs: 5_000, searchTerms: cached }, lease, {
        records: events.map(aRecord),
      }),
      sleep(round % 6).then(async () => {
        await erase(db, userId);
        await db.transaction().execute((trx) => deleteSearchTerms(trx, userId));
      }),
    ]);
    t.same(
      (await rows()).filter(({ subject }) => subject === userId),
      [],
      `round ${round}`,
    );
  }
});

test('an erasure waits for an open batch, and then deletes its terms', async (t) => {
  const { db, event, terms, rows } = await open(t);
  const userId = randomUUID();
  const added = await terms().createTerms([await event({ subject: { userId } })]);
  let deleted: Promise<number> = Promise.resolve(0);
  await db.transaction().execute(async (trx) => {
    await insertSearchTerms(trx, added);
    deleted = erase(db, userId).then(() =>
      db.transaction().execute((other) => deleteSearchTerms(other, userId)),
    );
    await sleep(100);
  });
  t.equal(await deleted, 2);
  t.same(await rows(), []);
});

test('events are stored while the master key is unavailable, and their terms follow', async (t) => {
  const { db, terms, event, rows, masterKey } = await open(t);
  let down = true;
  const shaky: MasterKey = {
    ...masterKey,
    unwrap: async (wrapped, context) => {
      if (down) throw new Error('the key service is away');
      return masterKey.unwrap(wrapped, context);
    },
  };
  const searchTerms = terms(shaky);
  const kept = [await event(), await event({ subject: { address: 'eve@example.com' } })];
  const gone = randomUUID();
  const erased = await event({ subject: { userId: gone } });
  t.match(
    await storeBatch({ db, ttlMs: 5_000, searchTerms }, await aLease(db), {
      records: [...kept, erased].map(aRecord),
    }),
    { stored: 3 },
  );
  t.equal((await rows()).length, 3);
  t.equal(await searchTerms.completeMarked(), 0);
  t.equal((await rows()).length, 3, 'the marks stay until the key is there');
  await erase(db, gone);
  down = false;
  t.equal(await searchTerms.completeMarked(), 3);
  t.same(
    (await rows()).map((row) => row.event_id).toSorted(),
    kept.flatMap(({ id }) => [id, id]).toSorted(),
  );
  t.notOk((await rows()).some(({ term }) => term.length === 0));
});

test('replicas share one search key, and a tampered block is skipped', async (t) => {
  const { db, terms, event, rows } = await open(t);
  const [a, b] = await Promise.all([
    terms().term('ip', '192.0.2.1'),
    terms().term('ip', '192.0.2.1'),
  ]);
  t.same(a, b);
  const { personal, ...rest } = await event();
  const sound = await event();
  const tampered = { ...rest, personal: personal && { ...personal, nonce: 'AAAAAAAAAAAAAAAA' } };
  t.match(
    await storeBatch({ db, ttlMs: 5_000, searchTerms: terms() }, await aLease(db), {
      records: [aRecord(tampered), aRecord(sound)],
    }),
    { stored: 2 },
  );
  t.same(new Set((await rows()).map((row) => row.event_id)), new Set([sound.id]));
});

test('terms of callers without an account are deleted with age, others stay', async (t) => {
  const { db, event, terms, rows } = await open(t);
  const stranger = await event({ subject: { address: 'eve@example.com' } });
  const user = await event();
  await storeBatch({ db, ttlMs: 5_000, searchTerms: terms() }, await aLease(db), {
    records: [stranger, user].map(aRecord),
  });
  t.equal(await deleteAddressTerms(db, new Date(Date.now() - 60_000)), 0);
  t.equal(await deleteAddressTerms(db, new Date(Date.now() + 60_000)), 2);
  t.same(new Set((await rows()).map((row) => row.event_id)), new Set([user.id]));
});

test('the service can neither write terms directly nor read the tables of keys', async (t) => {
  const { db } = await open(t);
  await t.rejects(
    sql`insert into audit.search_terms values ('\\x00', gen_random_uuid(), 'x')`.execute(db),
    { code: '42501' },
  );
  await t.rejects(sql`select * from keys.search_key`.execute(db), { code: '42501' });
});

test('5,000 events a second are stored with their terms', async (t) => {
  const { db, event, terms } = await open(t);
  const lease = await aLease(db);
  const searchTerms = terms();
  const subjects = Array.from({ length: 500 }, () => ({ userId: randomUUID() }));
  const batches: AuditEvent[][] = [];
  for (let batch = 0; batch < 6; batch += 1) {
    const events: AuditEvent[] = [];
    for (let n = 0; n < 1_000; n += 1)
      events.push(
        await event({
          subject: subjects[n % 500] ?? { address: '' },
          personal: {
            ip: `192.0.${n % 256}.${batch}`,
            email: `u${n % 500}@example.com`,
            user_agent: 'x'.repeat(120),
          },
        }),
      );
    batches.push(events);
  }
  await storeBatch({ db, ttlMs: 60_000, searchTerms }, lease, {
    records: (batches[0] ?? []).map(aRecord),
  });
  const startedAt = performance.now();
  for (const batch of batches.slice(1))
    t.equal(
      (await storeBatch({ db, ttlMs: 60_000, searchTerms }, lease, { records: batch.map(aRecord) }))
        .stored,
      1_000,
    );
  const rate = 5_000 / ((performance.now() - startedAt) / 1_000);
  t.comment(`${Math.round(rate)} events/s`);
  // A fifth of the goal, since tests share their two cores; the goal itself is measured by the
  // bench.
  t.ok(rate > timeBound(1_000, 100), `${Math.round(rate)} events/s`);
});
