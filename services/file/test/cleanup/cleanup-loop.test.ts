import { setTimeout as sleep } from 'node:timers/promises';
import {
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { test } from 'tap';
import { until } from '@muniment/testing';
import { insertPendingFile } from '../../files/file-queries.ts';
import { touchPendingFile } from '../../cleanup/pending-file-queries.ts';
import { build, BUCKET } from '../build.ts';
import { upload } from '../forms.ts';

const ID = '01900000-0000-7000-8000-00000000000';

test('the upload of a dead replica is removed with row, object and parts', async (t) => {
  const { files, signIn, query, stored, listen } = await build(t, { UPLOAD_ABANDONED_MS: '1000' });
  const user = await signIn();
  const pending = (n: number, objectKey: string) =>
    insertPendingFile(files.data.db, {
      id: `${ID}${n}`,
      userId: user.id,
      name: 'x',
      objectKey,
      created: new Date(),
    });
  await Promise.all([
    pending(1, 'whole'),
    pending(2, 'parts'),
    pending(3, 'nothing'),
    pending(4, 'living'),
  ]);
  const { s3 } = files.store;
  for (const key of ['whole', 'living'])
    await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: 'x' }));
  const { UploadId } = await s3.send(
    new CreateMultipartUploadCommand({ Bucket: BUCKET, Key: 'parts' }),
  );
  await s3.send(
    new UploadPartCommand({ Bucket: BUCKET, Key: 'parts', UploadId, PartNumber: 1, Body: 'x' }),
  );
  await s3.send(new CreateMultipartUploadCommand({ Bucket: BUCKET, Key: 'parts-of-another' }));

  const alive = setInterval(() => void touchPendingFile(files.data.db, `${ID}4`), 100);
  t.teardown(() => clearInterval(alive));
  await listen();
  await until(async () => (await query('select from files.files')).length === 1, {
    what: 'only the living is left',
  });
  await until(async () => (await query('select from files.orphans')).length === 0, {
    what: 'orphans are settled',
  });
  t.strictSame(await stored(), { objects: ['living'], uploads: ['parts-of-another'] });
  t.match(await query('select id, status from files.files'), [{ id: `${ID}4`, status: 'pending' }]);
});

test('deleted files wait for S3 to come back, and one replica settles at a time', async (t) => {
  const { app, signIn, query, stored, listen, replica, s3 } = await build(t);
  const second = await replica();
  const user = await signIn();
  const file = await upload(app, user, 'hello');
  await app.inject({ method: 'DELETE', url: `/api/files/${file.id}`, headers: user.headers });
  s3.proxy.mode('refuse');
  await listen();
  await until(
    async () => (await query(`select from files.leases where name = 'settler'`)).length === 1,
    { what: 'the first has the lease' },
  );
  await second.http.app.listen({ host: '127.0.0.1', port: 0 });
  await sleep(500);
  t.match(await query('select status from files.files'), [{ status: 'deleted' }]);
  t.match(
    await query(`select holder from files.leases where name = 'settler' and expires_at > now()`),
    [{ holder: 'file-1' }],
  );
  s3.proxy.mode('pass');
  await until(
    async () => (await query(`select from files.files where status = 'purged'`)).length === 1,
    { what: 'it is purged' },
  );
  t.strictSame((await stored()).objects, []);

  await app.close();
  await until(
    async () =>
      (await query(`select from files.leases where name = 'settler' and holder = 'file-2'`))
        .length === 1,
    { what: 'the other replica takes over at once' },
  );
});
