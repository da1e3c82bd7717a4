import { gunzipSync } from 'node:zlib';
import { test } from 'tap';
import { generateSigningKey } from '@muniment/audit-key';
import {
  leafHash,
  openCheckpoint,
  parseVerifierKey,
  verifyExport,
  verifyInclusion,
} from '@muniment/audit-verify';
import { acquireLease } from '@muniment/database';
import { sealedForm } from '@muniment/audit-events';
import { ArchiveRefuted } from '../../errors.ts';
import { findArchive } from '../../retention/archive-queries.ts';
import { retain } from '../../retention/retention.ts';
import { addTerms, announced, APRIL, MARCH, objectsOf, openArchiveTest } from './archive.ts';

test('a month older than the policy is archived, dropped and still provable', async (t) => {
  const log = await openArchiveTest(t);
  const { bucket, db, options, superuser } = log;
  // Months that meet in the log: what came late stands between.
  const march = await log.log(MARCH, 40);
  const april = await log.log(APRIL, 10);
  const late = await log.log(MARCH, 3, () => ({ personal: null }));
  await log.sign();
  await addTerms(db, [...march, ...april]);
  t.same(
    await retain({
      ...options,
      months: 12 * (new Date().getUTCFullYear() - 2025) + new Date().getUTCMonth() - 3,
    }),
    [MARCH],
  );

  t.same(await log.partitions(), [APRIL]);
  t.same(await log.rowsOf(MARCH), []);
  t.equal((await log.rowsOf(APRIL)).length, 10);
  const archive = await findArchive(db, MARCH);
  t.match(archive, {
    rows: 43,
    first_index: 0,
    last_index: 52,
    tree_size: 53,
    drop_announced: archive?.dropped_at,
  });
  t.same(await objectsOf(bucket), [archive?.object_key]);
  t.same(await announced(superuser), [{ action: 'LOG_ARCHIVED', resource: MARCH }]);
  t.equal((await superuser.query('select 1 from audit.sealed')).rowCount, 53);
  const { rows } = await superuser.query<{ event_id: string }>(
    'select event_id from audit.search_terms',
  );
  t.same(
    rows.map((row) => row.event_id).toSorted(),
    april.map(({ id }) => id).toSorted(),
    'search terms go with their events',
  );

  const bytes = gunzipSync((await bucket.get(archive?.object_key ?? '')) ?? Buffer.alloc(0));
  const report = await verifyExport([bytes], { keys: options.keys });
  t.match(report, {
    verdict: 'incomplete',
    findings: [],
    rows: 43,
    first_index: 0,
    last_index: 52,
    left_out: 10,
    filter: { month: MARCH },
  });
  for (const event of [...march, ...late]) t.ok(bytes.includes(sealedForm(event)), 'byte for byte');
  t.ok(bytes.includes(march[7]!.personal!.ciphertext), 'with the ciphertext beside');

  const { note } = (await superuser.query<{ note: string }>('select note from audit.checkpoints'))
    .rows[0]!;
  const { root } = openCheckpoint(note, [parseVerifierKey(log.keyLine)]);
  const proof = await log.tree.inclusionProof(7, 53);
  t.ok(
    verifyInclusion({
      index: 7,
      size: 53,
      leafHash: leafHash(Buffer.from(sealedForm(march[7]!))),
      proof,
      root,
    }),
    'what was dropped is still proven',
  );
});

test('several months are moved, once; a second look finds nothing', async (t) => {
  const log = await openArchiveTest(t);
  await log.log(MARCH, 3);
  await log.log(APRIL, 1_200);
  await log.sign();
  t.same(await retain(log.options), [MARCH, APRIL]);
  t.same(await retain(log.options), []);
  t.same(await log.partitions(), []);
  t.equal((await objectsOf(log.bucket)).length, 2);
  t.same(
    (await announced(log.superuser)).map(({ action, resource }) => `${action} ${resource}`),
    [`LOG_ARCHIVED ${MARCH}`, `LOG_ARCHIVED ${APRIL}`],
  );
});

test('a month without events is moved too', async (t) => {
  const log = await openArchiveTest(t);
  await log.log(APRIL, 2);
  await log.sign();
  t.same(await retain(log.options), [MARCH, APRIL]);
  t.match(await findArchive(log.db, MARCH), { rows: 0, first_index: null, last_index: null });
});

test('nothing is moved that is not sealed and signed, or not old enough', async (t) => {
  const log = await openArchiveTest(t);
  t.same(await retain(log.options), [], 'no checkpoint');
  await log.log(MARCH, 5);
  await log.sign();
  await log.log(MARCH, 1);
  t.same(await retain(log.options), [APRIL], 'the last event of March lies beyond the checkpoint');
  t.same(await retain({ ...log.options, months: 1_200 }), [], 'no month is a hundred years old');
  await log.sign();
  t.same(await retain(log.options), [MARCH]);
});

test('an event that is stored and not sealed keeps its month in the database', async (t) => {
  const log = await openArchiveTest(t);
  const [first] = await log.log(MARCH, 2);
  await log.sign();
  const id = `${first!.id.slice(0, -4)}ffff`;
  await log.superuser.query(
    `
      insert into audit.events (id, source, lane, seq, action, outcome, request_id, timestamp,
        record)
      values ($1, 'user', 9, 99, 'A', 'success', 'r', now(), '{}')`,
    [id],
  );
  t.same(await retain(log.options), [APRIL]);
  t.same(await log.partitions(), [MARCH]);
});

test('an archive that does not come back as it was written is not relied on', async (t) => {
  for (const damage of ['byte', 'end', 'other'] as const) {
    const log = await openArchiveTest(t);
    await log.log(MARCH, 50);
    await log.sign();
    const send = log.bucket.client.send.bind(log.bucket.client) as (
      command: { constructor: { name: string }; input: { Key?: string } },
      ...more: unknown[]
    ) => Promise<unknown>;
    let damaged = false;
    const client = new Proxy(log.bucket.client, {
      get: (target, name) =>
        name !== 'send'
          ? (Reflect.get(target, name) as unknown)
          : async (
              command: { constructor: { name: string }; input: { Key?: string } },
              ...more: unknown[]
            ) => {
              if (command.constructor.name === 'GetObjectCommand' && !damaged) {
                damaged = true;
                const bytes = Buffer.from((await log.bucket.get(command.input.Key ?? '')) ?? []);
                if (damage === 'byte')
                  bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1;
                await log.bucket.put(
                  command.input.Key ?? '',
                  damage === 'end'
                    ? bytes.subarray(0, -30)
                    : damage === 'byte'
                      ? bytes
                      : Buffer.from('something else'),
                );
              }
              return send(command, ...more);
            },
    });
    await t.rejects(retain({ ...log.options, bucket: { ...log.bucket, client } }), damage);
    t.same(await log.partitions(), [MARCH, APRIL], 'nothing is dropped');
    t.equal(await findArchive(log.db, MARCH), undefined, 'nothing is recorded');
    t.same(await retain(log.options), [MARCH, APRIL], 'the next look writes it again');
    for (const key of await objectsOf(log.bucket))
      if (key.startsWith(`archives/${APRIL}`)) t.match(key, /ndjson\.gz$/);
  }
});

test('a checkpoint of another key is no reason to drop anything', async (t) => {
  const log = await openArchiveTest(t);
  await log.log(MARCH, 5);
  await log.sign();
  const keys = [parseVerifierKey(generateSigningKey('muniment.local/audit').verifierKey)];
  await t.rejects(retain({ ...log.options, keys }), ArchiveRefuted);
  t.same(await log.partitions(), [MARCH, APRIL]);
});

test('while another replica is at it, this one leaves it alone', async (t) => {
  const log = await openArchiveTest(t);
  await acquireLease(log.db, {
    schema: 'audit',
    name: 'retention',
    holder: 'another',
    ttlMs: 60_000,
  });
  t.equal(await retain(log.options), undefined);
});
