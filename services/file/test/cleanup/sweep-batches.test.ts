import { PutObjectCommand } from '@aws-sdk/client-s3';
import { test } from 'tap';
import { until } from '@muniment/testing';
import { ObjectStoreUnavailable } from '../../errors.ts';
import { sweepBatches } from '../../cleanup/sweep-batches.ts';
import { createObjectBatches } from '../../object-batches/object-batches.ts';
import { withdrawAbandonedBatches } from '../../object-batches/object-batch-queries.ts';
import { build, BUCKET, type Fixture } from '../build.ts';
import { form, upload } from '../forms.ts';

const rowsOf = ({ query }: Fixture): Promise<object[]> =>
  query('select id, withdrawn is null as is_open from files.object_batches');

/** Puts an object, and goes without a word. */
async function putAsDeadReplica({ files }: Fixture): Promise<string> {
  const { http, data, store } = files;
  const batches = createObjectBatches({ db: data.db, beatMs: 60_000, log: http.log });
  const { key } = await batches.join();
  await store.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: 'x' }));
  return key;
}

test('what a dead replica put without a row is removed, and nothing else', async (t) => {
  const fixture = await build(t, { UPLOAD_ABANDONED_MS: '1000' });
  const user = await fixture.signIn();
  const dead = await putAsDeadReplica(fixture);
  const file = await upload(fixture.app, user, 'kept');
  t.equal((await fixture.stored()).objects.length, 2);
  await fixture.listen();
  await until(async () => (await rowsOf(fixture)).length === 0, { what: 'both batches ended' });
  const { objects } = await fixture.stored();
  t.equal(objects.length, 1);
  t.notOk(objects.includes(dead));
  const rows = await fixture.query('select id from files.files where object_key = any($1)', [
    objects,
  ]);
  t.match(rows, [{ id: file.id }]);
});

test("a withdrawn batch's files keep their objects", async (t) => {
  const fixture = await build(t);
  const user = await fixture.signIn();
  const [kept, gone] = [await upload(fixture.app, user, 'a'), await upload(fixture.app, user, 'b')];
  await fixture.query('delete from files.files where id = $1', [gone.id]);
  const { store, data } = fixture.files;
  t.equal(await withdrawAbandonedBatches(data.db, 0), 1);
  await sweepBatches({ db: data.db, store }, 60_000);
  t.equal((await fixture.stored()).objects.length, 2, 'S3 may still carry out a request');
  await sweepBatches({ db: data.db, store }, 0);
  t.equal((await fixture.stored()).objects.length, 1);
  t.strictSame(await rowsOf(fixture), []);
  const answer = await fixture.app.inject({ url: `/api/files/${kept.id}`, headers: user.headers });
  t.equal(answer.statusCode, 200);
});

test('an upload during which its batch is withdrawn gets 409; the next one succeeds', async (t) => {
  const fixture = await build(t);
  const user = await fixture.signIn();
  await upload(fixture.app, user, 'first');
  const { store, data } = fixture.files;
  const { payload, headers } = await form({ content: 'second' });
  fixture.s3.proxy.mode({ delayMs: 500 });
  const answer = fixture.app.inject({
    method: 'POST',
    url: '/api/files',
    headers: { ...user.headers, ...headers },
    payload,
  });
  await until(async () => store.pool.load().lent === 1, { what: 'the upload is in progress' });
  t.equal(await withdrawAbandonedBatches(data.db, 0), 1);
  const { statusCode, json } = await answer;
  t.match([statusCode, json().code], [409, 'upload_superseded']);
  fixture.s3.proxy.mode('pass');
  t.equal((await fixture.stored()).objects.length, 1, 'nothing is left of it');
  t.ok(await upload(fixture.app, user, 'third'));
});

test('S3 away leaves a withdrawn batch for the next round', async (t) => {
  const fixture = await build(t);
  const key = await putAsDeadReplica(fixture);
  const { store, data } = fixture.files;
  await withdrawAbandonedBatches(data.db, 0);
  fixture.s3.proxy.mode('refuse');
  await t.rejects(sweepBatches({ db: data.db, store }, 0), ObjectStoreUnavailable);
  t.strictSame((await fixture.stored()).objects, [key]);
  fixture.s3.proxy.mode('pass');
  await sweepBatches({ db: data.db, store }, 0);
  t.strictSame((await fixture.stored()).objects, []);
  t.strictSame(await rowsOf(fixture), []);
});
