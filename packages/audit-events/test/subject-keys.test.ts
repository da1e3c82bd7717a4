import { sql } from 'kysely';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { openPersonal, sealPersonal } from '../src/personal.ts';
import { rotateSubjectKey, rotateSubjectKeys } from '../src/rotate-subject-keys.ts';
import { createSubjectKeys } from '../src/subject-keys.ts';
import { aRequest, everyEvent, outboxRows, startProducer } from './parts.ts';

const USER = { userId: '018f0000-0000-7000-8000-000000000001' };
const ID = '018f0000-0000-7000-8000-00000000000b';

test('a subject has one key, in every process', async (t) => {
  const { db, masterKey, subjectKeys } = await startProducer(t);
  const other = createSubjectKeys(masterKey);
  const [first, second] = await Promise.all([
    subjectKeys.forSubject(db, USER),
    other.forSubject(db, USER),
  ]);
  const another = await subjectKeys.forSubject(db, { userId: ID });
  if (!first || !second || !another) return t.fail('no key');
  t.equal(first.keyId, second.keyId);
  t.ok(first.secret.equals(second.secret));
  t.equal((await subjectKeys.forSubject(db, USER))?.keyId, first.keyId);
  t.notOk(another.secret.equals(first.secret));
});

test('a key made in a transaction that rolled back is never used afterwards', async (t) => {
  const { db, masterKey, subjectKeys, recordEvent } = await startProducer(t);
  await t.rejects(
    db.transaction().execute(async (trx) => {
      // Two events: the second finds the key that the first made, and it is not committed yet.
      await recordEvent(trx, aRequest({ subject: USER }));
      await recordEvent(trx, aRequest({ subject: USER }));
      throw new Error('undone');
    }),
    /undone/,
  );
  await recordEvent(db, aRequest({ subject: USER, personal: { email: 'ada@example.com' } }));
  const [event] = everyEvent(await outboxRows(db));
  const stored = await createSubjectKeys(masterKey).forSubject(db, USER);
  if (!event?.personal || !stored) return t.fail('nothing recorded');
  t.same(
    openPersonal(event.id, event.personal, stored),
    { email: 'ada@example.com' },
    'another process can open it',
  );
  t.equal((await subjectKeys.forSubject(db, USER))?.keyId, stored.keyId);
});

test('an erased subject gets no key again, and its events carry no personal values', async (t) => {
  const { db, audit, masterKey, subjectKeys, recordEvent } = await startProducer(t);
  await recordEvent(db, aRequest({ subject: USER }));
  await sql`select keys.erase_subject(${USER.userId})`.execute(audit);
  subjectKeys.drop(USER.userId);
  t.equal(await subjectKeys.forSubject(db, USER), undefined);
  t.equal(await createSubjectKeys(masterKey).forSubject(db, USER), undefined);
  await recordEvent(
    db,
    aRequest({ subject: USER, user_id: USER.userId, personal: { email: 'ada@example.com' } }),
  );
  const events = everyEvent(await outboxRows(db));
  t.same(
    events.map(({ personal }) => personal === null),
    [false, true],
  );
  t.equal(events[0]?.lane, events[1]?.lane, 'the lane stays');
});

test('an erasure and a first event at once leave no key behind, whoever comes first', async (t) => {
  const { db, audit, masterKey } = await startProducer(t);
  for (let n = 0; n < 20; n += 1) {
    const userId = `018f0000-0000-7000-8000-0000000001${String(n).padStart(2, '0')}`;
    const keys = createSubjectKeys(masterKey);
    await Promise.all([
      keys.forSubject(db, { userId }),
      sleep(n % 4).then(() => sql`select keys.erase_subject(${userId})`.execute(audit)),
    ]);
    const { rows } = await sql<{
      found: boolean;
    }>`select key_id is not null as found from keys.find_subject_key(${userId})`.execute(db);
    t.same(rows, [{ found: false }], `round ${n}`);
  }
});

test('an erasure waits for a transaction that creates the key, then deletes it', async (t) => {
  const { db, audit, masterKey } = await startProducer(t);
  let erased: Promise<unknown> = Promise.resolve();
  await db.transaction().execute(async (trx) => {
    t.ok(await createSubjectKeys(masterKey).forSubject(trx, USER));
    erased = sql`select keys.erase_subject(${USER.userId})`.execute(audit);
    await sleep(100);
  });
  await erased;
  t.equal(await createSubjectKeys(masterKey).forSubject(db, USER), undefined);
});

test('a key read while its subject is erased does not return to the cache', async (t) => {
  const { db, audit, masterKey } = await startProducer(t);
  await createSubjectKeys(masterKey).forSubject(db, USER);
  const slow = {
    ...masterKey,
    unwrap: async (wrapped: Buffer, context: string) => {
      await sleep(100);
      return masterKey.unwrap(wrapped, context);
    },
  };
  const keys = createSubjectKeys(slow);
  const reading = keys.forSubject(db, USER);
  await sleep(40);
  await sql`select keys.erase_subject(${USER.userId})`.execute(audit);
  keys.drop(USER.userId);
  await reading;
  t.equal(await keys.forSubject(db, USER), undefined);
});

test('keys read while all are dropped do not return to the cache, and each use shows', async (t) => {
  const { db, masterKey } = await startProducer(t);
  await createSubjectKeys(masterKey).forSubject(db, USER);
  const unwrapping = Promise.withResolvers<void>();
  const unwrapped = Promise.withResolvers<void>();
  let unwraps = 0;
  const keys = createSubjectKeys({
    ...masterKey,
    async unwrap(wrapped: Buffer, context: string) {
      unwraps += 1;
      unwrapping.resolve();
      await unwrapped.promise;
      return masterKey.unwrap(wrapped, context);
    },
  });
  let uses = 0;
  keys.onUse(() => (uses += 1));
  const reading = keys.forSubject(db, USER);
  await unwrapping.promise;
  t.ok(uses > 0);
  keys.clear();
  unwrapped.resolve();
  await reading;
  await keys.forSubject(db, USER);
  t.equal(unwraps, 2, 'the first read was not cached');
  await keys.forSubject(db, USER);
  t.equal(unwraps, 2);
  await sleep(30);
  t.ok(keys.unusedMs() >= 25);
  const before = uses;
  await keys.forBlocks(db, [{ key_id: ID, subject: USER.userId }]).catch(() => {});
  t.ok(uses > before);
  t.ok(keys.unusedMs() < 25);
});

test('blocks open with existing keys; those without an account with the day key', async (t) => {
  const { db, audit, masterKey, subjectKeys } = await startProducer(t);
  const user = await subjectKeys.forSubject(db, USER);
  const stranger = await subjectKeys.forSubject(db, { address: 'eve@example.com' });
  if (!user || !stranger) return t.fail('no keys');
  const blocks = [sealPersonal(ID, { ip: '1' }, user), sealPersonal(ID, { ip: '2' }, stranger)];
  const reader = createSubjectKeys(masterKey);
  const opened = async () => {
    const keys = await reader.forBlocks(audit, blocks);
    return blocks.map((block) => {
      const key = keys.of(block);
      return key && openPersonal(ID, block, key).ip;
    });
  };
  t.same(await opened(), ['1', '2']);
  await sql`select keys.erase_subject(${USER.userId})`.execute(audit);
  reader.drop(USER.userId);
  t.same(await opened(), [undefined, '2']);
  await sql`select keys.destroy_day_keys(current_date + 2)`.execute(audit);
  const after = await createSubjectKeys(masterKey).forBlocks(audit, blocks);
  t.same(
    blocks.map((block) => after.of(block)),
    [undefined, undefined],
  );
});

test("a block that names another's key brings no false key into the cache", async (t) => {
  const { db, audit, masterKey, subjectKeys } = await startProducer(t);
  const own = await subjectKeys.forSubject(db, USER);
  const stranger = await subjectKeys.forSubject(db, { address: 'eve@example.com' });
  const reader = createSubjectKeys(masterKey);
  await reader.forBlocks(audit, [{ key_id: stranger?.keyId ?? '', subject: USER.userId }]);
  const found = await reader.forSubject(audit, USER);
  t.ok(own && found?.secret.equals(own.secret));
});

test('only the day keys before a date are destroyed', async (t) => {
  const { db, audit, subjectKeys } = await startProducer(t);
  await subjectKeys.forSubject(db, USER);
  await subjectKeys.forSubject(db, { address: 'eve@example.com' });
  const destroy = async (before: string) =>
    (await sql<{ n: number }>`select keys.destroy_day_keys(${before}::date) as n`.execute(audit))
      .rows[0]?.n;
  const today = new Date().toISOString().slice(0, 10);
  t.equal(await destroy(today), 0);
  t.equal(await destroy('9999-12-31'), 1);
  t.ok(await subjectKeys.forSubject(db, USER));
});

test('a rotated key encrypts new blocks, and an erasure destroys all keys', async (t) => {
  const { db, audit, masterKey, subjectKeys } = await startProducer(t);
  const old = await subjectKeys.forSubject(db, USER);
  await subjectKeys.forSubject(db, { userId: ID });
  if (!old) return t.fail('no key');
  t.equal(
    await rotateSubjectKeys(audit, masterKey, new Date(Date.now() - 60_000)),
    0,
    'none is that old',
  );
  t.equal(await rotateSubjectKeys(audit, masterKey, new Date(Date.now() + 60_000)), 2);
  t.equal(await rotateSubjectKey(audit, masterKey, USER.userId), true);
  const other = createSubjectKeys(masterKey);
  const fresh = await other.forSubject(db, USER);
  if (!fresh) return t.fail('no key');
  t.not(fresh.keyId, old.keyId);
  const blocks = [sealPersonal(ID, { ip: '1' }, old), sealPersonal(ID, { ip: '2' }, fresh)];
  const read = async () => {
    const keys = await other.forBlocks(audit, blocks);
    return blocks.map((block) => {
      const key = keys.of(block);
      return key && openPersonal(ID, block, key).ip;
    });
  };
  t.same(await read(), ['1', '2']);
  t.same(await read(), ['1', '2'], 'from memory too');
  t.equal(
    (await other.forSubject(db, USER))?.keyId,
    fresh.keyId,
    'reading what is old does not bring the old key back',
  );
  await sql`select keys.erase_subject(${USER.userId})`.execute(audit);
  other.drop(USER.userId);
  t.same(await read(), [undefined, undefined]);
  t.equal(
    await rotateSubjectKey(audit, masterKey, USER.userId),
    false,
    'an erased subject gets none by rotation',
  );
  t.equal(await rotateSubjectKey(audit, masterKey, 'nobody'), false);
});

test('two rotations at once leave one key that is current', async (t) => {
  const { db, audit, masterKey, subjectKeys } = await startProducer(t);
  await subjectKeys.forSubject(db, USER);
  await Promise.all(
    [1, 2, 3].map(() => rotateSubjectKeys(audit, masterKey, new Date(Date.now() + 60_000))),
  );
  const found = await sql<{
    key_id: string;
  }>`select key_id from keys.find_subject_key(${USER.userId})`.execute(audit);
  t.equal(found.rows.length, 1);
});
