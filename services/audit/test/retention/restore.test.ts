import { randomBytes, randomUUID } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { test } from 'tap';
import { sql } from 'kysely';
import { sealedForm } from '@muniment/audit-events';
import { generateSigningKey } from '@muniment/audit-key';
import { parseVerifierKey } from '@muniment/audit-verify';
import { acquireLease, releaseLease } from '@muniment/database';
import { ArchiveRefuted, RestoreImpossible } from '../../errors.ts';
import {
  beginRestore,
  findArchive,
  finishRestore,
  stageRows,
  type ArchivedRow,
} from '../../retention/archive-queries.ts';
import { restoreMonth } from '../../retention/restore.ts';
import { retain } from '../../retention/retention.ts';
import { anEvent } from '../records.ts';
import {
  announced,
  APRIL,
  MARCH,
  objectsOf,
  openArchiveTest,
  type ArchiveTest,
} from './archive.ts';

/** A key for each of these events, as their subjects' first event would have made it. */
async function giveKeys(
  { superuser }: ArchiveTest,
  events: Awaited<ReturnType<ArchiveTest['log']>>,
): Promise<void> {
  for (const { personal } of events)
    await superuser.query(
      'insert into keys.subject_keys (key_id, subject, wrapped) values ($1, $2, $3)',
      [personal?.key_id, personal?.subject, Buffer.of(1)],
    );
}

test('a month comes back as it was, column by column, and stays for a while', async (t) => {
  const log = await openArchiveTest(t);
  const events = await log.log(MARCH, 1_100);
  await log.log(MARCH, 2, () => ({
    personal: null,
    tenant_id: 'acme',
    resource: 'ä"\\\u2028',
    error: 'x',
    session_id: '018f2a3b-4c5d-7e6f-8a9b-0c1d2e3f4a5b',
    metadata: { text: ',"index":7,"hash":"' },
  }));
  await log.log(APRIL, 5);
  await log.sign();
  await giveKeys(log, events);
  const before = await log.rowsOf(MARCH);
  t.same(await retain(log.options), [MARCH, APRIL]);
  t.same(await restoreMonth(log.options, MARCH, 30), { rows: 1_102, unreadable: 0 });

  t.same(await log.rowsOf(MARCH), before);
  t.same(await log.partitions(), [MARCH]);
  const { rows } = await log.superuser.query(
    `
      select 1 from pg_inherits
      where inhparent = 'audit.events'::regclass and inhrelid = 'audit.events_2025_03'::regclass`,
  );
  t.equal(rows.length, 1, 'a partition of the log again');
  t.equal(
    (await log.db.selectFrom('audit.events').select('id').where('id', '=', events[5]!.id).execute())
      .length,
    1,
    'the service reads it',
  );
  for (const statement of [
    'update audit.events_2025_03 set lane = 1',
    'delete from audit.events_2025_03',
    'select * from audit.events_2025_03',
  ])
    await t.rejects(sql.raw(statement).execute(log.db), /permission denied/);
  t.same(await announced(log.superuser), [
    { action: 'LOG_ARCHIVED', resource: MARCH },
    { action: 'LOG_ARCHIVED', resource: APRIL },
    { action: 'LOG_RESTORED', resource: MARCH },
  ]);
  t.same(await retain(log.options), [], 'it is not archived again at once');

  const archive = await findArchive(log.db, MARCH);
  await log.superuser.query("update audit.archives set keep_until = now() - interval '1 second'");
  t.same(await retain(log.options), [MARCH], 'its time over, it goes again');
  t.equal((await objectsOf(log.bucket)).length, 2, 'the archive that there is serves');
  t.match(await findArchive(log.db, MARCH), { object_key: archive?.object_key, keep_until: null });
  t.equal((await announced(log.superuser)).length, 4);
});

test('who was erased meanwhile does not come back', async (t) => {
  const log = await openArchiveTest(t);
  const events = await log.log(MARCH, 3);
  await log.sign();
  await giveKeys(log, events);
  await retain(log.options);
  await log.superuser.query('select keys.erase_subject($1)', [events[1]!.personal!.subject]);
  t.same(await restoreMonth(log.options, MARCH, 1), { rows: 3, unreadable: 1 });
  const rows = await log.rowsOf(MARCH);
  t.same(
    rows.map((row) => row.personal_ciphertext),
    [events[0]!.personal!.ciphertext, null, events[2]!.personal!.ciphertext],
  );
  t.same(
    rows.map(({ record }) => record),
    events.map(sealedForm),
    'the sealed bytes are all there',
  );
});

test('what cannot be restored says why', async (t) => {
  const log = await openArchiveTest(t);
  await log.log(MARCH, 3);
  await log.sign();
  await t.rejects(restoreMonth(log.options, MARCH, 1), RestoreImpossible, 'not archived');
  await t.rejects(restoreMonth(log.options, "x'; drop table", 1), RestoreImpossible, 'no month');
  await retain(log.options);
  const another = (await acquireLease(log.db, {
    schema: 'audit',
    name: 'retention',
    holder: 'another',
    ttlMs: 60_000,
  }))!;
  await t.rejects(restoreMonth(log.options, MARCH, 1), RestoreImpossible, 'another is at it');
  await releaseLease(log.db, another);
  await restoreMonth(log.options, MARCH, 1);
  await t.rejects(restoreMonth(log.options, MARCH, 1), /is there/, 'it is there already');
});

test('an archive that was altered in the bucket is not brought back', async (t) => {
  const log = await openArchiveTest(t);
  await log.log(MARCH, 30);
  await log.sign();
  await retain(log.options);
  const key = (await findArchive(log.db, MARCH))?.object_key ?? '';
  const bytes = Buffer.from((await log.bucket.get(key)) ?? []);
  bytes[bytes.length - 4] = (bytes[bytes.length - 4] ?? 0) ^ 1;
  await log.bucket.put(key, bytes);
  await t.rejects(restoreMonth(log.options, MARCH, 1));
  t.same(await log.partitions(), []);
  bytes[bytes.length - 4] = (bytes[bytes.length - 4] ?? 0) ^ 1;
  await log.bucket.put(key, bytes);
  const keys = [parseVerifierKey(generateSigningKey('muniment.local/audit').verifierKey)];
  await t.rejects(
    restoreMonth({ ...log.options, keys }, MARCH, 1),
    ArchiveRefuted,
    'nor one that a stranger signed',
  );
  t.match(await restoreMonth(log.options, MARCH, 1), { rows: 30 });
});

const recompressed = (archive: Buffer, alter: (text: string) => string, level: number): Buffer =>
  gzipSync(alter(gunzipSync(archive).toString()), { level });

for (const [what, alter] of [
  // The leaf covers the commitment, not the ciphertext: every proof still verifies.
  [
    'whose ciphertexts were altered',
    (archive: Buffer) =>
      recompressed(archive, (text) => text.replaceAll('"nonce":"', '"nonce":"AAAA'), 6),
  ],
  ['that was compressed anew', (archive: Buffer) => recompressed(archive, (text) => text, 1)],
  // The tenth byte of gzip names the operating system. Length and content stay.
  ['of the same length with one other byte', (archive: Buffer) => archive.with(9, 255)],
] as const)
  test(`an archive ${what} is not brought back`, async (t) => {
    const log = await openArchiveTest(t);
    await log.log(MARCH, 30);
    await log.sign();
    await retain(log.options);
    const key = (await findArchive(log.db, MARCH))?.object_key ?? '';
    const original = Buffer.from((await log.bucket.get(key)) ?? []);
    const altered = alter(original);
    t.notOk(original.equals(altered));
    await log.bucket.put(key, altered);
    await t.rejects(restoreMonth(log.options, MARCH, 1), /not the object that was written/);
    t.same(await log.partitions(), []);
    await log.bucket.put(key, original);
    t.match(await restoreMonth(log.options, MARCH, 1), { rows: 30 });
  });

test('the database restores only rows that were sealed', async (t) => {
  const log = await openArchiveTest(t);
  const events = await log.log(MARCH, 300);
  await log.log(APRIL, 300);
  await log.sign();
  await retain(log.options);
  const lease = (await acquireLease(log.db, {
    schema: 'audit',
    name: 'retention',
    holder: 'attacker',
    ttlMs: 60_000,
  }))!;
  const rows: ArchivedRow[] = events.map((event, index) => ({
    index,
    record: sealedForm(event),
    key_id: null,
    nonce: null,
    ciphertext: null,
  }));
  const attempt = async (staged: ArchivedRow[]): Promise<number> => {
    await beginRestore(log.retentionDb, MARCH, lease);
    await stageRows(log.retentionDb, MARCH, staged);
    return finishRestore(log.retentionDb, { month: MARCH, keepDays: 1 }, lease);
  };
  const altered = (at: number, record: string): ArchivedRow[] =>
    rows.with(at, { ...rows[at]!, record });
  await t.rejects(attempt(rows.slice(1)), { code: 'MU001' }, 'one missing');
  await t.rejects(
    attempt(altered(7, rows[7]!.record.replace('LOGIN_SUCCESS', 'LOGIN_FAIL'))),
    { code: 'MU001' },
    'in a full tile',
  );
  await t.rejects(attempt(altered(299, rows[299]!.record.replace('LOGIN_SUCCESS', 'LOGIN_FAIL'))), {
    code: 'MU001',
  });
  await t.rejects(attempt(altered(7, rows[8]!.record)), { code: 'MU001' }, 'another of the log');
  await t.rejects(
    attempt(rows.with(7, { ...rows[8]!, index: 7 }).with(8, { ...rows[7]!, index: 8 })),
    { code: 'MU001' },
    'two swapped',
  );
  await t.rejects(
    beginRestore(log.retentionDb, MARCH, { ...lease, epoch: lease.epoch + 1 }),
    { code: 'MU002' },
    'without the lease',
  );
  t.same(await log.partitions(), []);
  t.equal(await attempt(rows), 0, 'the rows themselves');
  t.same(await log.partitions(), [MARCH]);
});

test('what leaves the database is asked again by the database', async (t) => {
  const log = await openArchiveTest(t);
  await log.log(MARCH, 3);
  await log.sign();
  const lease = (await acquireLease(log.db, {
    schema: 'audit',
    name: 'retention',
    holder: 'attacker',
    ttlMs: 60_000,
  }))!;
  const call = (text: string): Promise<unknown> => sql.raw(text).execute(log.retentionDb);
  const drop = (month: string, months: number): Promise<unknown> =>
    call(
      `select audit.drop_archived_month('${month}', ${months}, '${lease.holder}', ${lease.epoch})`,
    );
  const record = (
    rows: number,
    first: number | null,
    last: number | null,
    size: number,
  ): Promise<unknown> =>
    call(
      `
        select audit.record_archive('${MARCH}', 'k', ${rows}, ${first}, ${last}, ${size}, 1,
          sha256(''), '${lease.holder}', ${lease.epoch})`,
    );
  await t.rejects(drop(MARCH, 6), /no archive/);
  const claims: Parameters<typeof record>[] = [
    [2, 0, 2, 3],
    [3, 1, 2, 3],
    [3, 0, 1, 3],
    [3, 0, 2, 2],
    [0, null, null, 3],
  ];
  for (const claim of claims) await t.rejects(record(...claim), { code: 'MU001' }, claim.join());
  await record(3, 0, 2, 3);
  await t.rejects(drop(MARCH, 0), { code: 'MU003' }, 'no age');
  await t.rejects(drop(MARCH, 1_200), { code: 'MU003' }, 'not that old');
  const now = new Date().toISOString().slice(0, 7).replace('-', '_');
  await t.rejects(drop(now, 1), { code: 'MU003' }, 'the month of today');
  await t.rejects(drop('default', 1), { code: 'MU003' });
  await t.rejects(
    call(`select audit.drop_archived_month('${MARCH}', 6, '${lease.holder}', ${lease.epoch - 1})`),
    { code: 'MU002' },
    'of another holder',
  );
  await log.superuser.query(
    `
      insert into audit.events (id, source, lane, seq, action, outcome, request_id, timestamp,
        record)
      values ('01955555-0000-7000-8000-000000000001', 'user', 9, 99, 'A', 'success', 'r',
        now(), '{}')`,
  );
  await t.rejects(drop(MARCH, 6), { code: 'MU001' }, 'an event came in after the archive was made');
  t.same(await log.partitions(), [MARCH, APRIL]);
});

test('an archive of several parts is written, verified and brought back as it was', async (t) => {
  const log = await openArchiveTest(t);
  const { personal } = anEvent();
  // Incompressible: 300 times 40 KB of noise, of which base64 gives back a quarter.
  const events = await log.log(MARCH, 300, () => ({
    personal: {
      ...personal!,
      subject: randomUUID(),
      key_id: randomUUID(),
      ciphertext: randomBytes(40_000).toString('base64'),
    },
  }));
  await log.sign();
  await giveKeys(log, events);
  const before = await log.rowsOf(MARCH);
  t.same(await retain(log.options), [MARCH, APRIL]);
  t.ok((await findArchive(log.db, MARCH))!.bytes > 8 << 20, 'more than one part');
  t.same(await restoreMonth(log.options, MARCH, 30), { rows: 300, unreadable: 0 });
  t.strictSame(await log.rowsOf(MARCH), before);
});
