import {
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { get, request, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { startS3 } from '../../src/s3/start-s3.ts';
import {
  bucket,
  build,
  createClient,
  credentials,
  failureOf,
  temporaryFolder,
} from './s3-server.ts';
import { put, sha256, signRequest } from './sign-request.ts';

test('a client that expects 100 Continue gets it, or is refused before its body', async (t) => {
  const { endpoint, client } = await build(t);
  const body = randomBytes(50_000);
  const headers = { expect: '100-continue', 'content-length': String(body.length) };
  t.match(await put(endpoint, { payload: sha256(body), headers }, body), {
    status: 200,
    continued: true,
  });
  t.match(await put(endpoint, { payload: sha256(body), headers, secret: 'wrong' }, body), {
    status: 403,
    code: 'SignatureDoesNotMatch',
    continued: false,
    headers: { connection: 'close' },
  });
  t.match(
    await put(
      endpoint,
      { payload: sha256(body), headers: { ...headers, 'x-amz-tagging': 'a=b' } },
      body,
    ),
    { status: 501, continued: false },
  );
  await client.send(
    new PutObjectCommand({ Bucket: bucket, Key: 'sdk', Body: randomBytes(3 * 1024 ** 2) }),
  );
  t.equal(
    (await client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'sdk' }))).ContentLength,
    3 * 1024 ** 2,
  );
});

test('an upload that breaks off leaves the old object and no file', async (t) => {
  const { endpoint, client, dir } = await build(t);
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'old' }));
  const { headers } = signRequest(endpoint, { payload: 'UNSIGNED-PAYLOAD' });
  const outgoing = request(endpoint, {
    method: 'PUT',
    path: `/${bucket}/k`,
    headers: { ...headers, 'content-length': '1000000' },
  });
  outgoing.on('error', () => {});
  outgoing.write(Buffer.alloc(500_000));
  const temporary = join(dir, bucket, 'temporary');
  await until(async () => (await readdir(temporary)).length > 0);
  outgoing.destroy();
  await until(async () => (await readdir(temporary)).length === 0);
  t.same(await readdir(temporary), []);
  const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' }));
  t.equal(await got.Body?.transformToString(), 'old');
});

test('a body that outgrows its declared length is refused before it ends', async (t) => {
  const { endpoint } = await build(t);
  const { headers } = signRequest(endpoint, {
    payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    headers: {
      'x-amz-decoded-content-length': '10',
      'x-amz-trailer': 'x-amz-checksum-crc32',
      'content-encoding': 'aws-chunked',
    },
  });
  const outgoing = request(endpoint, {
    method: 'PUT',
    path: `/${bucket}/k`,
    headers: { ...headers, 'content-length': '1000000' },
  });
  t.teardown(() => outgoing.destroy());
  outgoing.on('error', () => {}).write(`10000\r\n${'x'.repeat(1000)}`);
  const [incoming]: IncomingMessage[] = await once(outgoing, 'response', {
    signal: AbortSignal.timeout(2000),
  });
  t.equal(incoming?.statusCode, 400);
});

test('a refused upload leaves its connection usable', async (t) => {
  const { endpoint, client } = await build(t);
  const url = await getSignedUrl(client, new GetObjectCommand({ Bucket: bucket, Key: 'k' }));
  for (let i = 0; i < 5; i++) {
    const { headers } = signRequest(endpoint, {
      payload: 'UNSIGNED-PAYLOAD',
      headers: { 'x-amz-decoded-content-length': '1', 'content-encoding': 'aws-chunked' },
    });
    const refused = await fetch(`${endpoint}/nobody/k`, {
      method: 'PUT',
      headers,
      body: randomBytes(2_000_000),
    });
    t.ok(refused.status >= 400 && (await refused.text()));
    t.equal((await fetch(url, { signal: AbortSignal.timeout(2000) })).status, 404);
  }
});

test('objects and open uploads survive a restart; leftovers do not', async (t) => {
  const dir = await temporaryFolder(t);
  const options = { dir, buckets: [bucket], ...credentials };
  const first = await startS3(options);
  const before = createClient(t, first.endpoint);
  const keys = ['a', 'long/'.repeat(150), 'ü/😀'];
  for (const Key of keys)
    await before.send(
      new PutObjectCommand({ Bucket: bucket, Key, Body: `body of ${Key}`, Metadata: { m: '1' } }),
    );
  const { UploadId } = await before.send(
    new CreateMultipartUploadCommand({ Bucket: bucket, Key: 'open' }),
  );
  await first.stop();
  await writeFile(join(dir, bucket, 'temporary', 'left-by-another'), 'half');

  const second = await startS3(options);
  t.teardown(() => second.stop());
  const after = createClient(t, second.endpoint);
  const listed = await after.send(new ListObjectsV2Command({ Bucket: bucket }));
  t.same(
    listed.Contents?.map(({ Key }) => Key),
    keys,
  );
  for (const Key of keys) {
    const got = await after.send(new GetObjectCommand({ Bucket: bucket, Key }));
    t.equal(await got.Body?.transformToString(), `body of ${Key}`);
    t.same(got.Metadata, { m: '1' });
  }
  const uploads = await after.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  t.same(
    uploads.Uploads?.map((upload) => upload.UploadId),
    [UploadId],
  );
  t.same(await readdir(join(dir, bucket, 'temporary')), []);
});

test('a busy port is an error and does not harm the server that listens there', async (t) => {
  const { port, dir, client } = await build(t);
  await writeFile(join(dir, bucket, 'temporary', 'being-written'), 'half');
  await t.rejects(startS3({ port, dir, ...credentials }), { code: 'EADDRINUSE' });
  t.same(await readdir(join(dir, bucket, 'temporary')), ['being-written']);
  await t.resolves(client.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x' })));
});

test('stop lets a running download end and then frees the port', async (t) => {
  const dir = await temporaryFolder(t);
  const server = await startS3({ dir, buckets: [bucket], ...credentials, durable: false });
  const client = createClient(t, server.endpoint);
  const size = 30 * 1024 ** 2;
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: Buffer.alloc(size) }));
  const url = await getSignedUrl(client, new GetObjectCommand({ Bucket: bucket, Key: 'k' }));
  const [incoming]: IncomingMessage[] = await once(get(url), 'response');
  if (!incoming) throw new Error('no response');
  const stopped = server.stop();
  await sleep(100);
  let got = 0;
  for await (const chunk of incoming) got += Buffer.from(chunk).length;
  t.equal(got, size);
  const start = performance.now();
  await stopped;
  t.ok(
    performance.now() - start < timeBound(2_000, 4_000),
    'it does not wait for idle connections',
  );
  t.match(await failureOf(fetch(server.endpoint)), { code: 'TypeError' });
});

test('an unexpected error is an InternalError without details, and is logged', async (t) => {
  const { dir, client } = await build(t);
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x' }));
  await writeFile(join(dir, bucket, 'objects', 'k.object'), 'damaged');
  const logged = t.capture(console, 'error');
  t.same(await failureOf(client.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' }))), {
    code: 'InternalError',
    status: 500,
  });
  t.match(String(logged()[0]?.args[0]), /S3 request \w+ GET/);
});
