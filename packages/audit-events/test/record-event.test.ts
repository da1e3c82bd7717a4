import { sql } from 'kysely';
import { test } from 'tap';
import { canonicalJson } from '../src/canonical.ts';
import { decodeRecord } from '../src/decode-record.ts';
import { MAX_EVENT_BYTES, laneOf } from '../src/event.ts';
import { openPersonal } from '../src/personal.ts';
import { canonicalHalves, derivedEventId } from '../src/record-event.ts';
import { anEvent } from './an-event.ts';
import { aRequest, everyEvent, outboxRows, startProducer } from './parts.ts';

test('the two halves joined around a number are the canonical JSON of the whole event', (t) => {
  for (const seq of [1, 17, Number.MAX_SAFE_INTEGER]) {
    const event = anEvent({ seq });
    const { seq: _, ...without } = event;
    const { head, tail } = canonicalHalves(without);
    t.equal(`${head},"seq":${seq},${tail}`, canonicalJson(event));
  }
  t.end();
});

test('an event is stored as its reader parses it, with personal values encrypted', async (t) => {
  const { db, recordEvent, subjectKeys } = await startProducer(t);
  const userId = '018f0000-0000-7000-8000-000000000001';
  const id = await recordEvent(
    db,
    aRequest({
      subject: { userId },
      user_id: userId,
      personal: { email: 'ada@example.com', ip: '192.0.2.1' },
    }),
  );
  const rows = await outboxRows(db);
  const [row] = rows;
  const [event] = everyEvent(rows);
  const key = await subjectKeys.forSubject(db, { userId });
  if (!row || !event?.personal || !key) return t.fail('nothing recorded');
  t.notOk('fault' in decodeRecord(Buffer.from(`${row.head},"seq":1,${row.tail}`)));
  t.equal(event.id, id);
  t.equal(row.lane, laneOf(userId));
  t.notMatch(row.head + row.tail, /example\.com|192\.0\.2/);
  t.same(openPersonal(id, event.personal, key), { email: 'ada@example.com', ip: '192.0.2.1' });
});

test('an event of a transaction that rolls back is gone with it', async (t) => {
  const { db, recordEvent } = await startProducer(t);
  await t.rejects(
    db.transaction().execute(async (trx) => {
      await recordEvent(trx, aRequest());
      throw new Error('undone');
    }),
    /undone/,
  );
  t.same(await outboxRows(db), []);
});

test('an event that a retry gives again under the same id is recorded once', async (t) => {
  const { db, recordEvent } = await startProducer(t);
  const id = '018f0000-0000-7000-8000-00000000000a';
  await recordEvent(db, aRequest({ id }));
  await recordEvent(db, aRequest({ id }));
  t.equal((await outboxRows(db)).length, 1);
});

test('an event larger than 16 KiB is refused, one just below is taken', async (t) => {
  const { db, recordEvent } = await startProducer(t);
  await t.rejects(
    recordEvent(db, aRequest({ metadata: { a: 'x'.repeat(MAX_EVENT_BYTES) } })),
    RangeError,
  );
  t.same(await outboxRows(db), []);
  await recordEvent(db, aRequest({ metadata: { a: 'x'.repeat(MAX_EVENT_BYTES - 1_500) } }));
  const [row] = await outboxRows(db);
  t.notOk(
    'fault' in
      decodeRecord(Buffer.from(`${row?.head},"seq":${Number.MAX_SAFE_INTEGER},${row?.tail}`)),
  );
});

test('what no reader would take is refused before it gets a number', async (t) => {
  const { db, recordEvent } = await startProducer(t);
  await t.rejects(recordEvent(db, aRequest({ action: 'lower case' })), /action/);
  await t.rejects(
    recordEvent(db, aRequest({ metadata: { a: JSON.parse('['.repeat(99) + ']'.repeat(99)) } })),
    /nested/,
  );
  t.same(await outboxRows(db), []);
});

test('lone surrogates and NUL are cleaned out of every text', async (t) => {
  const { db, recordEvent, subjectKeys } = await startProducer(t);
  const userId = '018f0000-0000-7000-8000-000000000002';
  const bad = 'a\ud800b\0c';
  await recordEvent(
    db,
    aRequest({
      subject: { userId },
      personal: { user_agent: bad, names: [bad] },
      resource: bad,
      error: bad,
      metadata: { [bad]: [bad, { b: bad }] },
    }),
  );
  const [event] = everyEvent(await outboxRows(db));
  const clean = 'a\ufffdbc';
  const key = await subjectKeys.forSubject(db, { userId });
  if (!event?.personal || !key) return t.fail('nothing recorded');
  t.match(event, { resource: clean, error: clean, metadata: { [clean]: [clean, { b: clean }] } });
  t.same(openPersonal(event.id, event.personal, key), { user_agent: clean, names: [clean] });
});

test('over-long texts of clients are cut', async (t) => {
  const { db, recordEvent } = await startProducer(t);
  await recordEvent(
    db,
    aRequest({
      resource: 'é'.repeat(1_000),
      error: 'é'.repeat(2_000),
      personal: { user_agent: 'x'.repeat(100_000) },
    }),
  );
  const [event] = everyEvent(await outboxRows(db));
  t.equal(event?.resource, 'é'.repeat(250));
  t.equal(event?.error, 'é'.repeat(500));
});

test("the services' roles reach no key but through the functions", async (t) => {
  const { db, audit } = await startProducer(t);
  for (const role of [db, audit]) {
    for (const table of ['subject_keys', 'erased_subjects']) {
      await t.rejects(
        sql`select * from ${sql.table(`keys.${table}`)}`.execute(role),
        /permission denied/,
      );
      await t.rejects(
        sql`delete from ${sql.table(`keys.${table}`)}`.execute(role),
        /permission denied/,
      );
    }
  }
  await t.rejects(sql`select keys.erase_subject('x')`.execute(db), /permission denied/);
  await t.rejects(
    sql`select * from keys.find_keys(array[]::uuid[])`.execute(db),
    /permission denied/,
  );
});

test('a retried request derives the same event id, another request another', (t) => {
  const requestId = 'c0ffee'.repeat(5);
  t.equal(
    derivedEventId(requestId, 1_700_000_000_123),
    derivedEventId(requestId, 1_700_000_000_123),
  );
  t.not(
    derivedEventId(requestId, 1_700_000_000_123),
    derivedEventId(`${requestId}1`, 1_700_000_000_123),
  );
  t.end();
});
