import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type Test } from 'tap';
import { sql } from 'kysely';
import { createSubjectKeys } from '@muniment/audit-events';
import { createDatabase } from '@muniment/database';
import { createTestDatabase } from '@muniment/testing';
import { createMasterKey, generateMasterKey } from '@muniment/master-key';
import { emptyQuarantined } from '../../erasure/erasure-queries.ts';
import { listQuarantined, type QuarantineEntry } from '../../quarantine/quarantine-queries.ts';
import { saveQuarantined, decryptRecords } from '../../quarantine/encrypt-records.ts';
import type { Tables } from '../../tables.ts';

let sequence = 0;
const entryOf = (text: string, counted = false): QuarantineEntry => {
  sequence += 1;
  return {
    sequenceNumber: String(sequence),
    data: Buffer.from(text),
    size: text.length,
    reason: counted ? 'refused' : 'unreadable',
    detail: 'why',
    counted,
  };
};

async function open(t: Test) {
  const { url } = await createTestDatabase(t);
  const { db } = createDatabase<Tables>({ url: url('audit_service'), applicationName: 'test' });
  t.teardown(() => db.destroy());
  const masterKey = createMasterKey(Buffer.from(generateMasterKey(), 'base64'));
  const list = () =>
    listQuarantined(db, {
      limit: 100,
      before: undefined,
      reason: undefined,
      replayed: undefined,
    }).then((rows) => rows.toReversed());
  return {
    db,
    list,
    subjectKeys: createSubjectKeys(masterKey),
    save: (...entries: QuarantineEntry[]) =>
      db
        .transaction()
        .execute((trx) =>
          saveQuarantined(
            { trx, subjectKeys: createSubjectKeys(masterKey) },
            { stream: 's', shardId: 'shard-0' },
            entries,
          ),
        ),
    /** Reads without cached keys, as a new replica does. */
    read: async () =>
      (await decryptRecords(db, createSubjectKeys(masterKey), await list())).map(({ data }) =>
        data.toString(),
      ),
    stored: async () => (await list()).map(({ data }) => data.toString('latin1')).join('|'),
  };
}

const erase = async (db: Awaited<ReturnType<typeof open>>['db'], userId: string) => {
  await sql`select keys.erase_subject(${userId})`.execute(db);
  return db.transaction().execute((trx) => emptyQuarantined(trx, userId));
};

test("unknown bytes are encrypted, and readable while the day's key exists", async (t) => {
  const { db, save, read, stored } = await open(t);
  await save(entryOf('{"email":"ada@example.com"'), entryOf('an event of ours', true));
  t.notMatch(await stored(), /ada/);
  t.same(await read(), ['{"email":"ada@example.com"', 'an event of ours']);
  await sql`select keys.destroy_day_keys('9999-12-31'::date)`.execute(db);
  t.same(await read(), ['', 'an event of ours']);
});

test('bytes moved to another record do not open', async (t) => {
  const { save, list, db, read, subjectKeys } = await open(t);
  await save(entryOf('one'), entryOf('two'));
  const [one, two] = await list();
  if (!one || !two) return t.fail('nothing saved');
  t.same(await read(), ['one', 'two']);
  t.same(
    (
      await decryptRecords(db, subjectKeys, [one, { ...two, sequence_number: one.sequence_number }])
    ).map(({ data }) => data.toString()),
    ['one', ''],
  );
});

test("an erasure empties records with the user's id, earlier and later ones", async (t) => {
  const { db, save, read } = await open(t);
  const userId = randomUUID();
  await save(
    entryOf(`damaged ${userId} x`),
    entryOf(`damaged ${userId.toUpperCase()}`),
    entryOf(`of ${randomUUID()}`),
    entryOf(`event of ${userId}`, true),
  );
  t.equal(await erase(db, userId), 2);
  await save(entryOf(`late ${userId}`));
  t.match(await read(), ['', '', /^of /, `event of ${userId}`, '']);
});

test("an erasure beside a record with the user's id leaves no byte", async (t) => {
  const { db, save, read } = await open(t);
  for (let round = 0; round < 15; round += 1) {
    const userId = randomUUID();
    await Promise.all([save(entryOf(userId)), sleep(round % 5).then(() => erase(db, userId))]);
    t.same(
      (await read()).filter((text) => text !== ''),
      [],
      `round ${round}`,
    );
  }
});
