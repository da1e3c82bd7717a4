import { randomUUID } from 'node:crypto';
import { test, type Test } from 'tap';
import { createEventRecorder, createSubjectKeys, type AuditEvent } from '@muniment/audit-events';
import { startFaultProxy, startS3 } from '@muniment/cluster';
import { createDatabase } from '@muniment/database';
import {
  connectSuperuser,
  createTestDatabase,
  temporaryFolder,
  timeBound,
  until,
} from '@muniment/testing';
import { createMasterKey, generateMasterKey } from '@muniment/master-key';
import { createErasureLoop } from '@muniment/server';
import { openAuditBucket } from '../../object-store/audit-bucket.ts';
import { eraseUsers } from '../../erasure/erase-user.ts';
import { journalErasure, replayJournal } from '../../erasure/journal.ts';
import type { Tables } from '../../tables.ts';

const CREDENTIALS = { accessKeyId: 'local', secretAccessKey: 'local' };

async function open(t: Test) {
  const database = await createTestDatabase(t);
  const s3 = await startS3({
    dir: await temporaryFolder(t),
    buckets: ['audit'],
    durable: false,
    ...CREDENTIALS,
  });
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: s3.port } });
  const bucket = openAuditBucket({
    AUDIT_BUCKET: 'audit',
    AUDIT_S3_ENDPOINT: proxy.url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  });
  const { db } = createDatabase<Tables>({
    url: database.url('audit_service'),
    applicationName: 'test',
  });
  const superuser = await connectSuperuser(t, database);
  t.teardown(async () => {
    bucket.close();
    await db.destroy();
    await proxy.stop();
    await s3.stop();
  });
  const masterKey = createMasterKey(Buffer.from(generateMasterKey(), 'base64'));
  const rows = async <Row>(text: string, values: unknown[] = []) =>
    (await superuser.query(text, values)).rows as Row[];
  return {
    db,
    proxy,
    bucket,
    rows,
    masterKey,
    /** The erasure loop of one replica. */
    replica() {
      const errors: unknown[] = [];
      const subjectKeys = createSubjectKeys(masterKey);
      const loop = createErasureLoop(
        db,
        eraseUsers({ db, subjectKeys, bucket }),
        subjectKeys,
        (error) => void errors.push(error),
      );
      t.teardown(() => loop.stop());
      return { loop, errors, subjectKeys };
    },
    async subject() {
      const userId = randomUUID();
      await createEventRecorder({
        source: 'audit',
        schema: 'audit',
        subjectKeys: createSubjectKeys(masterKey),
      })(db, {
        action: 'AUDIT_READ',
        subject: { userId },
        personal: { ip: '192.0.2.1' },
        request_id: 'r',
      });
      await superuser.query(
        `insert into audit.search_terms
        values ('\\x01', gen_random_uuid(), $1::text), ('\\x02', gen_random_uuid(), $1::text)`,
        [userId],
      );
      await superuser.query(
        `insert into audit.quarantine
          (stream, shard_id, sequence_number, detail, data, mentions)
        values ('s', 's', $1::text, 'unreadable', '\\x0102', array[$1::uuid])`,
        [userId],
      );
      return userId;
    },
    events: async () =>
      (
        await rows<{ head: string; tail: string }>(
          "select head, tail from audit.outbox where head like '%SUBJECT_ERASED%'",
        )
      ).map(({ head, tail }): AuditEvent => JSON.parse(`${head},${tail}`)),
    done: async (userId: string) =>
      (await rows('select from shared.erasures where user_id = $1 and audit_done', [userId]))
        .length === 1,
  };
}

test('several replicas erase keys, terms and bytes once, with one event', async (t) => {
  const { replica, subject, rows, events, done, bucket } = await open(t);
  const [ada, bob] = [await subject(), await subject()];
  const replicas = [replica(), replica(), replica()];
  await rows('insert into shared.erasures (user_id) values ($1)', [ada]);
  for (const { loop } of replicas) loop.start();
  await until(() => done(ada));
  for (const { loop } of replicas) await loop.stop();
  const erased = await events();
  t.match(erased, [
    {
      action: 'SUBJECT_ERASED',
      resource: ada,
      resource_type: 'user',
      personal: null,
      user_id: null,
      metadata: { search_terms: 2, quarantined: 1 },
    },
  ]);
  t.equal(erased.length, 1);
  t.same(
    await rows('select subject from keys.subject_keys where subject = any($1)', [[ada, bob]]),
    [{ subject: bob }],
  );
  t.same(await rows('select distinct subject from audit.search_terms'), [{ subject: bob }]);
  t.same(
    (
      await rows<{ data: Buffer; mentions: string[] }>(
        'select data, mentions from audit.quarantine order by length(data)',
      )
    ).map(({ data, mentions }) => [data.length, mentions]),
    [
      [0, []],
      [2, [bob]],
    ],
  );
  t.ok(await bucket.get(`erasures/${ada}`));
  t.equal(await bucket.get(`erasures/${bob}`), undefined);
});

test('without the journal the values are unreadable, but the erasure is not done', async (t) => {
  const { replica, subject, rows, events, done, proxy, bucket } = await open(t);
  const ada = await subject();
  proxy.mode('refuse');
  const { loop, errors } = replica();
  await rows('insert into shared.erasures (user_id) values ($1)', [ada]);
  loop.start();
  await until(() => errors.length > 0);
  t.same(await rows('select from keys.subject_keys where subject = $1', [ada]), []);
  t.notOk(await done(ada));
  t.same(await events(), []);
  proxy.mode('pass');
  await until(() => done(ada));
  t.equal((await events()).length, 1);
  t.ok(await bucket.get(`erasures/${ada}`));
});

test('a replica that did not do the work drops the key within a second', async (t) => {
  const { replica, subject, rows, done, db } = await open(t);
  const ada = await subject();
  const [worker, other] = [replica(), replica()];
  const key_id =
    (
      await rows<{ key_id: string }>('select key_id from keys.subject_keys where subject = $1', [
        ada,
      ])
    )[0]?.key_id ?? '';
  const cached = async () =>
    (await other.subjectKeys.forBlocks(db, [{ key_id, subject: ada }])).of({
      key_id,
      subject: ada,
    });
  await rows(
    "insert into shared.erasures (user_id, requested_at) values ($1, now() - interval '1 day')",
    [ada],
  );
  t.ok(await cached());
  worker.loop.start();
  await until(() => done(ada));
  await worker.loop.stop();
  t.ok(await cached(), 'still in memory');
  const doneAt = performance.now();
  other.loop.start();
  await until(async () => (await cached()) === undefined);
  t.ok(
    performance.now() - doneAt < timeBound(1_000),
    `${Math.round(performance.now() - doneAt)} ms`,
  );
});

test('an erasure that only the journal has is ordered again, and no other', async (t) => {
  const { replica, subject, rows, events, done, db, bucket } = await open(t);
  const [ada, bob, eve] = [await subject(), await subject(), await subject()];
  for (const userId of [ada, bob]) await journalErasure(bucket, userId);
  await bucket.put('erasures/README', 'not a user');
  await rows(
    `insert into shared.erasures (user_id, identity_done, files_done, audit_done)
      values ($1, true, true, true)`,
    [bob],
  );
  await rows('insert into keys.erased_subjects (subject) values ($1)', [bob]);
  t.same(await replayJournal(db, bucket, 1), [ada]);
  t.same(
    await rows('select from keys.subject_keys where subject = $1', [ada]),
    [],
    'the key goes with the order',
  );
  t.match(
    await rows(
      'select identity_done, files_done, audit_done from shared.erasures where user_id = $1',
      [ada],
    ),
    [{ identity_done: false, files_done: false, audit_done: false }],
  );
  t.same(await replayJournal(db, bucket), [], 'once');
  const { loop } = replica();
  loop.start();
  await until(() => done(ada));
  t.same(
    (await events()).map(({ resource }) => resource),
    [ada],
  );
  t.same(
    (
      await rows<{ subject: string }>('select distinct subject from audit.search_terms order by 1')
    ).map((row) => row.subject),
    [bob, eve].toSorted(),
  );
});

test('an erasure that is done but lacks its tombstone is done again', async (t) => {
  const { subject, rows, db, bucket } = await open(t);
  const ada = await subject();
  await journalErasure(bucket, ada);
  await rows(
    `insert into shared.erasures (user_id, identity_done, files_done, audit_done)
      values ($1, true, true, true)`,
    [ada],
  );
  t.same(await replayJournal(db, bucket), [ada]);
  t.match(await rows('select identity_done, files_done, audit_done from shared.erasures'), [
    { identity_done: false, files_done: false, audit_done: false },
  ]);
});
