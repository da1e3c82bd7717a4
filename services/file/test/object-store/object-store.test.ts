import { CreateMultipartUploadCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { test } from 'tap';
import { abortUpload, deleteObject, deleteAllUnder } from '../../object-store/object-store.ts';
import { build, BUCKET } from '../build.ts';

test('a removal deletes everything under its key and nothing else', async (t) => {
  const {
    files: { store },
    stored,
  } = await build(t);
  for (const Key of ['k', 'k2']) {
    await store.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: 'x' }));
    for (let i = 0; i < 2; i += 1)
      await store.s3.send(new CreateMultipartUploadCommand({ Bucket: BUCKET, Key }));
  }
  for (let i = 0; i < 2; i += 1) {
    await deleteAllUnder(store, 'k');
    t.strictSame(await stored(), { objects: ['k2'], uploads: ['k2', 'k2'] });
  }
  await deleteObject(store, 'absent');
  await abortUpload(store, 'k', 'f'.repeat(48));
});
