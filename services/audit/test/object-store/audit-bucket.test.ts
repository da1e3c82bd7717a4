import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type Test } from 'tap';
import { startS3 } from '@muniment/cluster';
import { temporaryFolder } from '@muniment/testing';
import { openAuditBucket, type AuditBucket } from '../../object-store/audit-bucket.ts';

const CREDENTIALS = { accessKeyId: 'local', secretAccessKey: 'local' };

async function open(t: Test): Promise<AuditBucket> {
  const s3 = await startS3({
    dir: await temporaryFolder(t),
    buckets: ['audit'],
    durable: false,
    ...CREDENTIALS,
  });
  t.teardown(() => s3.stop());
  const bucket = openAuditBucket({
    AUDIT_BUCKET: 'audit',
    AUDIT_S3_ENDPOINT: s3.endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  });
  t.teardown(() => bucket.close());
  return bucket;
}

const all = async (keys: AsyncGenerator<string>): Promise<string[]> => {
  const list: string[] = [];
  for await (const key of keys) list.push(key);
  return list;
};

test('objects are found, and listed in the order of their keys', async (t) => {
  const bucket = await open(t);
  await bucket.check();
  for (const key of ['a/3', 'a/1', 'b/1', 'a/2']) await bucket.put(key, `text of ${key}`);
  t.equal(Buffer.from((await bucket.get('a/2')) ?? []).toString(), 'text of a/2');
  t.equal(await bucket.get('a/4'), undefined);
  t.same(await all(bucket.list('a/')), ['a/1', 'a/2', 'a/3']);
  t.same(await all(bucket.list('a/', 'a/1')), ['a/2', 'a/3']);
});

test('an object that was put once stays', async (t) => {
  const bucket = await open(t);
  t.same(await Promise.all([bucket.putOnce('k', 'first'), bucket.put('other', 'other')]), [
    true,
    undefined,
  ]);
  t.equal(await bucket.putOnce('k', 'second'), false);
  t.equal(Buffer.from((await bucket.get('k')) ?? []).toString(), 'first');
});

test('a list continues over all pages', async (t) => {
  const bucket = await open(t);
  const keys = Array.from({ length: 1_050 }, (_, index) => `p/${String(index).padStart(4, '0')}`);
  for (let from = 0; from < keys.length; from += 50)
    await Promise.all(keys.slice(from, from + 50).map((key) => bucket.put(key, 'x')));
  t.same(await all(bucket.list('p/')), keys);
});

// Without a time limit the publisher would wait for ever, and so would its stop.
test('a read that stops half way fails', async (t) => {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('half');
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const bucket = openAuditBucket({
    AUDIT_BUCKET: 'audit',
    AUDIT_S3_ENDPOINT: `http://127.0.0.1:${port}`,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  });
  t.teardown(() => bucket.close());
  const outcome = bucket.get('k').then(
    () => 'read',
    () => 'failed',
  );
  t.equal(await Promise.race([outcome, sleep(12_000, 'still waiting', { ref: false })]), 'failed');
});
