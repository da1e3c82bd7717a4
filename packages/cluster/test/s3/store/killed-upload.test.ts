import {
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { randomBytes } from 'node:crypto';
import { appendFile, mkdir, readFile, readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type Test } from 'tap';
import { startS3, type S3Server } from '../../../src/s3/start-s3.ts';
import { bucket, createClient, credentials, failureOf, temporaryFolder } from '../s3-server.ts';
import { begin, complete, part } from '../send-parts.ts';

// Each test makes the files that a process leaves when it is killed at one point, and starts again.

type Started = { server: S3Server; client: S3Client; uploads: string };

async function start(t: Test, dir: string): Promise<Started> {
  const server = await startS3({ dir, buckets: [bucket], ...credentials });
  t.teardown(() => server.stop());
  return {
    server,
    client: createClient(t, server.endpoint),
    uploads: join(dir, bucket, 'uploads'),
  };
}

async function read(client: S3Client, Key: string): Promise<Buffer> {
  const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
  return Buffer.from((await got.Body?.transformToByteArray()) ?? []);
}

async function uploadIds(client: S3Client): Promise<(string | undefined)[]> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  return Uploads.map(({ UploadId }) => UploadId);
}

test('parts survive a restart, and the upload goes on where it was', async (t) => {
  const dir = await temporaryFolder(t);
  const first = await start(t, dir);
  const bodies = [randomBytes(5 * 1024 ** 2), randomBytes(10)];
  const UploadId = await begin(first.client, 'k', { Metadata: { m: '1' } });
  const sent = [await part(first.client, 'k', UploadId, 1, bodies[0] ?? Buffer.alloc(0))];
  await first.server.stop();

  const { client } = await start(t, dir);
  t.same(await uploadIds(client), [UploadId]);
  sent.push(await part(client, 'k', UploadId, 2, bodies[1] ?? Buffer.alloc(0)));
  await complete(client, 'k', UploadId, sent);
  const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' }));
  t.same(got.Metadata, { m: '1' });
  t.ok(Buffer.concat(bodies).equals(Buffer.from((await got.Body?.transformToByteArray()) ?? [])));
});

test('killed with the record behind the parts, before the rename: the upload is open', async (t) => {
  const dir = await temporaryFolder(t);
  const first = await start(t, dir);
  await first.client.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'old' }));
  const UploadId = await begin(first.client, 'k');
  const body = randomBytes(5 * 1024 ** 2);
  const sent = [await part(first.client, 'k', UploadId, 1, body)];
  await first.server.stop();
  await appendFile(join(first.uploads, `${UploadId}.data`), '{"key":"k"}\0\0\0\x0bMUS3');

  const { client } = await start(t, dir);
  t.equal(String(await read(client, 'k')), 'old');
  t.same(await uploadIds(client), [UploadId]);
  sent.push(await part(client, 'k', UploadId, 2, Buffer.from('end')));
  await complete(client, 'k', UploadId, sent);
  t.ok(Buffer.concat([body, Buffer.from('end')]).equals(await read(client, 'k')));
});

test('killed behind the rename: the object is the new one, and the upload is gone', async (t) => {
  const dir = await temporaryFolder(t);
  const first = await start(t, dir);
  await first.client.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'old' }));
  const UploadId = await begin(first.client, 'k');
  const sent = await part(first.client, 'k', UploadId, 1, Buffer.from('new'));
  const journal = join(first.uploads, `${UploadId}.journal`);
  const text = await readFile(journal);
  const { ETag } = await complete(first.client, 'k', UploadId, [sent]);
  await first.server.stop();
  await writeFile(journal, text);

  const { client, uploads } = await start(t, dir);
  t.same(await readdir(uploads), []);
  t.same(await uploadIds(client), []);
  t.equal(String(await read(client, 'k')), 'new');
  t.equal((await complete(client, 'k', UploadId, [sent])).ETag, ETag, 'asked again');
});

test('a record that was torn in the journal is no part, and the next one is whole', async (t) => {
  const dir = await temporaryFolder(t);
  const first = await start(t, dir);
  const UploadId = await begin(first.client, 'k');
  const sent = await part(first.client, 'k', UploadId, 1, Buffer.from('one'));
  await first.server.stop();
  const journal = join(first.uploads, `${UploadId}.journal`);
  await appendFile(journal, '\n{"number":2,"size":3,"etag":"');

  const second = await start(t, dir);
  await part(second.client, 'k', UploadId, 3, Buffer.from('three'));
  await second.server.stop();
  const { client } = await start(t, dir);
  const listed = await client.send(new ListPartsCommand({ Bucket: bucket, Key: 'k', UploadId }));
  t.same(
    listed.Parts?.map(({ PartNumber, Size }) => [PartNumber, Size]),
    [
      [1, 3],
      [3, 5],
    ],
  );
  await complete(client, 'k', UploadId, [sent]);
  t.equal(String(await read(client, 'k')), 'one');
});

test('a part whose bytes were being replaced is the old one after a restart', async (t) => {
  const dir = await temporaryFolder(t);
  const first = await start(t, dir);
  const UploadId = await begin(first.client, 'k');
  const sent = await part(first.client, 'k', UploadId, 1, Buffer.from('one'));
  const journal = join(first.uploads, `${UploadId}.journal`);
  const text = await readFile(journal);
  await part(first.client, 'k', UploadId, 1, Buffer.from('two'));
  await first.server.stop();
  await truncate(journal, text.length);

  const { client } = await start(t, dir);
  await complete(client, 'k', UploadId, [sent]);
  t.equal(String(await read(client, 'k')), 'one');
});

test('files that belong to no upload are removed by a start, and uploads stay', async (t) => {
  const dir = await temporaryFolder(t);
  const first = await start(t, dir);
  const UploadId = await begin(first.client, 'k');
  await first.server.stop();
  const { uploads } = first;
  const [torn, alone, empty, earlier] = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(48));
  await writeFile(join(uploads, `${torn}.data`), '');
  await writeFile(join(uploads, `${torn}.journal`), `\n{"id":"${torn}","ke`);
  await writeFile(join(uploads, `${alone}.data`), 'half');
  await writeFile(join(uploads, `${empty}.data`), '');
  await writeFile(join(uploads, `${empty}.journal`), '');
  await mkdir(join(uploads, earlier ?? ''));
  await writeFile(join(uploads, earlier ?? '', 'upload'), 'of an earlier version');
  const kept = [`${UploadId}.data`, `${UploadId}.journal`];

  const { client, server } = await start(t, dir);
  t.same((await readdir(uploads)).toSorted(), kept);
  t.same(await uploadIds(client), [UploadId]);
  await writeFile(join(uploads, `${alone}.data`), 'half');
  const { port } = server;
  await t.rejects(startS3({ port, dir, ...credentials }), { code: 'EADDRINUSE' });
  t.equal((await readdir(uploads)).length, 3, 'a start that fails removes nothing');
  t.match(await failureOf(part(client, 'k', alone ?? '', 1, Buffer.from('x'))), {
    code: 'NoSuchUpload',
  });
});

test('an empty part does not hide the place of another after a restart', async (t) => {
  const dir = await temporaryFolder(t);
  const first = await start(t, dir);
  const [one, two] = [randomBytes(5 * 1024 ** 2), randomBytes(5 * 1024 ** 2)];
  const UploadId = await begin(first.client, 'k');
  const sent = [await part(first.client, 'k', UploadId, 1, one)];
  const empty = await part(first.client, 'k', UploadId, 3, Buffer.alloc(0));
  await first.server.stop();

  const { client } = await start(t, dir);
  sent.push(await part(client, 'k', UploadId, 2, two), empty);
  await complete(client, 'k', UploadId, sent);
  t.ok(Buffer.concat([one, two]).equals(await read(client, 'k')));
});
