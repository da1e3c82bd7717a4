import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { S3Client } from '@aws-sdk/client-s3';
import { test, type Test } from 'tap';
import { purgeDeletedFiles, removeOrphans } from '../../cleanup/purge-objects.ts';
import { build } from '../build.ts';
import { upload } from '../forms.ts';

/** An S3 server that refuses to delete one object of each request. */
async function startRefusingStore(t: Test, refusedKey: string): Promise<S3Client> {
  const server = createServer((request, response) => {
    request.resume();
    response.setHeader('content-type', 'application/xml');
    response.end(`<?xml version="1.0" encoding="UTF-8"?>
      <DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Error>
      <Key>${refusedKey}</Key><Code>AccessDenied</Code><Message>locked</Message></Error></DeleteResult>`);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const s3 = new S3Client({
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  t.teardown(() => {
    s3.destroy();
    server.closeAllConnections();
    server.close();
  });
  return s3;
}

test('a file whose object S3 refuses to delete is not called purged', async (t) => {
  const { app, files, signIn, query } = await build(t);
  const user = await signIn();
  const [refused, gone] = [await upload(app, user, 'one'), await upload(app, user, 'two')];
  await query(`update files.files set status = 'deleted', updated = now() - interval '1 hour'`);
  const [row] = await query<{ object_key: string }>(
    'select object_key from files.files where id = $1',
    [refused.id],
  );
  const s3 = await startRefusingStore(t, row?.object_key ?? '');
  const purge = { db: files.data.db, store: { ...files.store, s3 } };
  await t.rejects(purgeDeletedFiles(purge), /S3 refused to delete 1 objects: AccessDenied/);
  t.strictSame(await query('select id, status from files.files order by status'), [
    { id: refused.id, status: 'deleted' },
    { id: gone.id, status: 'purged' },
  ]);
  t.strictSame(
    await query(`select updated > now() - interval '1 minute' as deferred
      from files.files where status = 'deleted'`),
    [{ deferred: true }],
    'others come first',
  );
});

test('an orphan whose removal fails lets the others come first', async (t) => {
  const { files, query, s3, signIn } = await build(t);
  const user = await signIn();
  await query(
    `insert into files.orphans (object_key, user_id, not_before)
     values ('one', $1, now() - interval '2 hours'), ('other', $1, now() - interval '1 hour')`,
    [user.id],
  );
  s3.proxy.mode('refuse');
  await t.rejects(removeOrphans({ db: files.data.db, store: files.store }, 0));
  t.strictSame(await query('select object_key from files.orphans where not_before > now()'), [
    { object_key: 'one' },
  ]);
});
