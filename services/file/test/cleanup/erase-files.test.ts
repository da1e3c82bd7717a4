import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { test } from 'tap';
import { until } from '@muniment/testing';
import { eraseFiles } from '../../cleanup/erase-files.ts';
import { insertPendingFile, insertReadyFile } from '../../files/file-queries.ts';
import { insertObjectBatch } from '../../object-batches/object-batch-queries.ts';
import { build, BUCKET } from '../build.ts';
import { form, upload } from '../forms.ts';

test("an erasure removes the user's files and uploads, each with its event", async (t) => {
  const { app, files, signIn, query, events, stored, listen, s3 } = await build(t);
  const [user, other] = [await signIn(), await signIn()];
  const own = await Promise.all([1, 2, 3].map((n) => upload(app, user, `own ${n}`)));
  const kept = await upload(app, other, 'kept');
  await insertPendingFile(files.data.db, {
    id: '01900000-0000-7000-8000-000000000001',
    userId: user.id,
    name: 'x',
    objectKey: 'under-way',
    created: new Date(),
  });

  s3.proxy.mode('refuse');
  await query('insert into shared.erasures (user_id) values ($1)', [user.id]);
  await listen();
  await until(
    async () =>
      (await query(`select from files.files where user_id = $1 and status = 'deleted'`, [user.id]))
        .length === 3,
    { what: 'the files are deleted' },
  );
  await sleep(700);
  t.match(
    await query('select files_done from shared.erasures'),
    [{ files_done: false }],
    'not done while bytes are left',
  );
  s3.proxy.mode('pass');
  await until(
    async () => (await query('select from shared.erasures where files_done')).length === 1,
    { what: 'it is done' },
  );

  t.strictSame(
    await query('select distinct status, name from files.files where user_id = $1', [user.id]),
    [{ status: 'purged', name: '' }],
  );
  const [left] = await query<{ object_key: string; id: string }>(
    `select object_key, id from files.files where status = 'ready'`,
  );
  t.equal(left?.id, kept.id);
  t.strictSame((await stored()).objects, [left?.object_key]);
  const deletions = (await events()).filter(({ action }) => action === 'FILE_DELETE');
  t.equal(deletions.length, 3);
  t.strictSame(
    new Set(deletions.map(({ resource }) => resource)),
    new Set(own.map(({ id }) => id)),
  );
  t.match(deletions[0], {
    user_id: user.id,
    request_id: `erasure-${user.id}`,
    metadata: { reason: 'user_deleted' },
  });
});

test('an erasure of its user makes a running upload fail', async (t) => {
  const { app, signIn, query, stored, events } = await build(t);
  const user = await signIn();
  await query('insert into shared.erasures (user_id) values ($1)', [user.id]);
  const { payload, headers } = await form({ content: 'late' });
  const answer = await app.inject({
    method: 'POST',
    url: '/api/files',
    headers: { ...user.headers, ...headers },
    payload,
  });
  t.strictSame([answer.statusCode, answer.json().code], [409, 'upload_superseded']);
  t.strictSame(await query('select from files.files'), []);
  t.strictSame(await stored(), { objects: [], uploads: [] });
  t.strictSame(await events(), []);
});

test("a file that became ready during its user's erasure is removed", async (t) => {
  const { app, signIn, query, stored, listen } = await build(t);
  const user = await signIn();
  await upload(app, user, 'late');
  await query('insert into shared.erasures (user_id, files_done) values ($1, true)', [user.id]);
  await listen();
  await until(
    async () => (await query(`select from files.files where status = 'purged'`)).length === 1,
    { what: 'it is purged' },
  );
  t.strictSame((await stored()).objects, []);
});

test("an erasure waits for the user's orphans and for no others", async (t) => {
  const { files, signIn, query, stored } = await build(t, { UPLOAD_LATE_MS: '600000' });
  const [user, other] = [await signIn(), await signIn()];
  await query(
    `insert into files.orphans (object_key, user_id, since, not_before)
     select 'other-' || n, $1, now() - interval '1 hour', now() - interval '1 hour'
     from generate_series(1, 250) n`,
    [other.id],
  );
  await query(
    `insert into files.orphans (object_key, user_id, not_before)
     values ('own', $1, now() + interval '1 minute')`,
    [user.id],
  );
  await files.store.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'own', Body: 'x' }));
  await eraseFiles({
    db: files.data.db,
    store: files.store,
    subjectKeys: files.crypto.subjectKeys,
    lateMs: 600_000,
  }).erase(user.id);
  t.strictSame((await stored()).objects, []);
  t.match(
    await query('select user_id from files.orphans where user_id = $1 and not_before > now()', [
      user.id,
    ]),
    [{ user_id: user.id }],
    'it is removed once more later',
  );
  t.equal((await query('select from files.orphans where user_id = $1', [other.id])).length, 250);
});

test('an erasure of more files than one batch deletes all, each with its event', async (t) => {
  const { files, signIn, query, events } = await build(t);
  const user = await signIn();
  await query(
    `insert into files.files (id, user_id, name, object_key, status, size, mime_type, sha256, etag)
     select uuidv7(), $1, 'x', 'key-' || n, 'ready', 1, 'text/plain', 'x', '"x"'
     from generate_series(1, 201) n`,
    [user.id],
  );
  const { data, store, crypto } = files;
  const { subjectKeys } = crypto;
  await eraseFiles({ db: data.db, store, subjectKeys, lateMs: 0 }).erase(user.id);
  t.strictSame(await query('select status, count(*)::int as files from files.files group by 1'), [
    { status: 'purged', files: 201 },
  ]);
  t.equal((await events()).filter(({ action }) => action === 'FILE_DELETE').length, 201);
});

test('an erasure deletes the file of an upload that it caught before its COMMIT', async (t) => {
  const { files, query, signIn } = await build(t);
  const { data, store, crypto } = files;
  const user = await signIn();
  const [batchId, id] = [randomUUID(), randomUUID()];
  await insertObjectBatch(data.db, batchId);
  const { promise: committing, resolve: commit } = Promise.withResolvers<void>();
  const { promise: inserted, resolve: onInserted } = Promise.withResolvers<void>();
  const upload = data.db.transaction().execute(async (trx) => {
    const object = { objectKey: `${batchId}.x`, etag: '"x"', objectVersion: null };
    const content = { name: 'x', size: 1, mimeType: 'text/plain', sha256: 'x' };
    const file = { id, userId: user.id, created: new Date(), ...content, ...object };
    t.ok(await insertReadyFile(trx, file, batchId));
    onInserted();
    await committing;
  });
  await inserted;
  await query('insert into shared.erasures (user_id) values ($1)', [user.id]);
  const { db } = data;
  const part = eraseFiles({ db, store, subjectKeys: crypto.subjectKeys, lateMs: 0 });
  const erased = part.erase(user.id);
  const first = await Promise.race([erased.then(() => 'erased'), sleep(300).then(() => 'waits')]);
  t.equal(first, 'waits');
  commit();
  await Promise.all([upload, erased]);
  t.match(await query('select status from files.files where id = $1', [id]), [
    { status: 'purged' },
  ]);
});
