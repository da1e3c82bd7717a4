import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, stat } from 'node:fs/promises';
import { get, request, type ClientRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { test } from 'tap';
import { until } from '@muniment/testing';
import { bucket, build, failureOf } from '../s3-server.ts';
import { begin, complete, part } from '../send-parts.ts';
import { signRequest } from '../sign-request.ts';

const MiB = 1024 ** 2;

/** Stores an object whose parts came in the order 2, 3, 1. Returns its bytes. */
async function storeShuffled(client: S3Client, Key: string, more: object = {}): Promise<Buffer> {
  const bodies = [randomBytes(5 * MiB), randomBytes(5 * MiB + 3), randomBytes(1000)];
  const UploadId = await begin(client, Key, more);
  const sent = [];
  for (const i of [1, 2, 0])
    sent[i] = await part(client, Key, UploadId, i + 1, bodies[i] ?? Buffer.alloc(0));
  await complete(client, Key, UploadId, sent);
  return Buffer.concat(bodies);
}

async function read(client: S3Client, Key: string, Range?: string): Promise<Buffer> {
  const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key, Range }));
  return Buffer.from((await got.Body?.transformToByteArray()) ?? []);
}

/** Starts a part of `size` bytes and sends half of it. */
function startPart(
  endpoint: string,
  { key, number, uploadId }: { key: string; number: number; uploadId: string },
  body: Buffer,
): ClientRequest {
  const path = `/${bucket}/${key}`;
  const query = `partNumber=${number}&uploadId=${uploadId}`;
  const { headers } = signRequest(endpoint, { path, query, payload: 'UNSIGNED-PAYLOAD' });
  const outgoing = request(endpoint, {
    method: 'PUT',
    path: `${path}?${query}`,
    headers: { ...headers, 'content-length': String(body.length) },
  });
  outgoing.write(body.subarray(0, body.length / 2));
  return outgoing;
}

const dataFile = async (dir: string): Promise<string> => {
  const names = await readdir(join(dir, bucket, 'uploads'));
  return join(dir, bucket, 'uploads', names.find((name) => name.endsWith('.data')) ?? '');
};

test('the file of the parts becomes the object: no byte is written twice', async (t) => {
  const { client, dir } = await build(t);
  const UploadId = await begin(client, 'k');
  const sent = [
    await part(client, 'k', UploadId, 1, randomBytes(5 * MiB)),
    await part(client, 'k', UploadId, 2, randomBytes(MiB)),
  ];
  const { ino } = await stat(await dataFile(dir));
  await complete(client, 'k', UploadId, sent);
  const object = await stat(join(dir, bucket, 'objects', 'k.object'));
  t.equal(object.ino, ino);
  t.ok(object.size < 6 * MiB + 1000, `${object.size} bytes`);
  t.same(await readdir(join(dir, bucket, 'uploads')), []);
});

test('parts that came in any order are one object, and ranges cross their borders', async (t) => {
  const { client } = await build(t);
  const bytes = await storeShuffled(client, 'k');
  t.ok(bytes.equals(await read(client, 'k')));
  const border = 5 * MiB;
  for (const [first, last] of [
    [border - 1, border],
    [border, border],
    [border - 1, border - 1],
    [100, border * 2 + 500],
    [border * 2 + 2, border * 2 + 3],
  ] as const)
    t.ok(
      bytes.subarray(first, last + 1).equals(await read(client, 'k', `bytes=${first}-${last}`)),
      `${first}-${last}`,
    );
  t.ok(bytes.subarray(-1002).equals(await read(client, 'k', 'bytes=-1002')));
  t.same(
    await failureOf(read(client, 'k', `bytes=${bytes.length}-`)),
    { code: 'InvalidRange', status: 416 },
    'behind the last part',
  );
});

test('a copy of an object in parts has its bytes, ETag and checksum', async (t) => {
  const { client } = await build(t);
  const bytes = await storeShuffled(client, 'k', { ChecksumAlgorithm: 'CRC32' });
  await client.send(
    new CopyObjectCommand({ Bucket: bucket, Key: 'copy', CopySource: `${bucket}/k` }),
  );
  await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'k' }));
  t.ok(bytes.equals(await read(client, 'copy')));
  const head = await client.send(
    new HeadObjectCommand({ Bucket: bucket, Key: 'copy', ChecksumMode: 'ENABLED' }),
  );
  t.match(head, { ETag: /-3"$/, ChecksumCRC32: /-3$/, ContentLength: bytes.length });
});

test('a deleted object in parts leaves no file', async (t) => {
  const { client, dir } = await build(t);
  await storeShuffled(client, 'k');
  await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'k' }));
  for (const folder of ['objects', 'uploads', 'temporary'])
    t.same(await readdir(join(dir, bucket, folder)), [], folder);
  t.same(await failureOf(read(client, 'k')), { code: 'NoSuchKey', status: 404 });
});

test('an overwritten or deleted object in parts is read to its end', async (t) => {
  const { client } = await build(t);
  for (const change of [
    () => storeShuffled(client, 'k'),
    () => client.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'new' })),
    () => client.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'k' })),
  ]) {
    const bytes = await storeShuffled(client, 'k');
    const url = await getSignedUrl(client, new GetObjectCommand({ Bucket: bucket, Key: 'k' }));
    const [incoming]: IncomingMessage[] = await once(get(url), 'response');
    if (!incoming) throw new Error('no response');
    await once(incoming, 'readable');
    await change();
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(Buffer.from(chunk));
    t.ok(bytes.equals(Buffer.concat(chunks)), String(change));
  }
});

test('a part that broke off and one sent again take no more room', async (t) => {
  const { client, dir, endpoint } = await build(t);
  const uploadId = await begin(client, 'k');
  const body = randomBytes(5 * MiB);
  const broken = startPart(endpoint, { key: 'k', number: 1, uploadId }, body).on('error', () => {});
  await until(async () => (await stat(await dataFile(dir))).size > MiB);
  broken.destroy();
  await until(async () => {
    await part(client, 'k', uploadId, 1, randomBytes(5 * MiB));
    return (await stat(await dataFile(dir))).size <= 10 * MiB;
  });
  // Both places are used in turn: a part is not written over the one that it replaces.
  for (let i = 0; i < 5; i++) await part(client, 'k', uploadId, 1, randomBytes(5 * MiB));
  const sent = [
    await part(client, 'k', uploadId, 1, body),
    await part(client, 'k', uploadId, 2, body.subarray(0, 100)),
  ];
  t.ok((await stat(await dataFile(dir))).size <= 10 * MiB + 100);
  await complete(client, 'k', uploadId, sent);
  t.ok(Buffer.concat([body, body.subarray(0, 100)]).equals(await read(client, 'k')));
});

test('the same part sent by two clients at once is one of both, whole', async (t) => {
  const { client } = await build(t);
  for (let round = 0; round < 5; round++) {
    const UploadId = await begin(client, 'k');
    const bodies = Array.from({ length: 4 }, () => randomBytes(MiB + round));
    const sent = await Promise.all(bodies.map((body) => part(client, 'k', UploadId, 1, body)));
    const results = await Promise.all(
      sent.map((one) => failureOf(complete(client, 'k', UploadId, [one]))),
    );
    const [winner = -1] = results.flatMap(({ code }, i) => (code === 'none' ? [i] : []));
    t.ok(bodies[winner]?.equals(await read(client, 'k')), `round ${round}`);
  }
});

test('a part that is still sent while its upload is completed does not harm the object', async (t) => {
  const { client, dir, endpoint } = await build(t);
  const body = randomBytes(5 * MiB);
  const late = randomBytes(2 * MiB);
  for (const number of [1, 2]) {
    const uploadId = await begin(client, 'k');
    const sent = await part(client, 'k', uploadId, 1, body);
    const before = (await stat(await dataFile(dir))).size;
    const outgoing = startPart(endpoint, { key: 'k', number, uploadId }, late);
    await until(async () => (await stat(await dataFile(dir))).size > before);
    await complete(client, 'k', uploadId, [sent]);
    outgoing.end(late.subarray(late.length / 2));
    const [incoming]: IncomingMessage[] = await once(outgoing, 'response');
    incoming?.resume();
    t.equal(incoming?.statusCode, 404);
    t.ok(body.equals(await read(client, 'k')));
    const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'k' }));
    t.equal(head.ContentLength, body.length);
  }
});

test('a completion that was refused can be repeated, also with more parts', async (t) => {
  const { client } = await build(t);
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'old' }));
  const UploadId = await begin(client, 'k');
  const body = randomBytes(5 * MiB);
  const first = await part(client, 'k', UploadId, 1, body);
  const refused = complete(client, 'k', UploadId, [first], { IfNoneMatch: '*' });
  t.same(await failureOf(refused), { code: 'PreconditionFailed', status: 412 });
  t.equal(String(await read(client, 'k')), 'old');
  const second = await part(client, 'k', UploadId, 2, Buffer.from('end'));
  await complete(client, 'k', UploadId, [first, second]);
  t.ok(Buffer.concat([body, Buffer.from('end')]).equals(await read(client, 'k')));
});

test('a checksum of the full object is that of all parts in their order', async (t) => {
  const { client } = await build(t);
  const more = { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' };
  const bytes = await storeShuffled(client, 'parts', more);
  await client.send(
    new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: bytes, ChecksumAlgorithm: 'CRC32' }),
  );
  const [parts, whole] = await Promise.all(
    ['parts', 'k'].map((Key) =>
      client.send(new HeadObjectCommand({ Bucket: bucket, Key, ChecksumMode: 'ENABLED' })),
    ),
  );
  t.ok(whole?.ChecksumCRC32);
  t.equal(parts?.ChecksumCRC32, whole?.ChecksumCRC32);
});

test('empty parts are parts', async (t) => {
  const { client } = await build(t);
  const UploadId = await begin(client, 'k');
  const body = randomBytes(5 * MiB);
  const first = await part(client, 'k', UploadId, 1, body);
  const last = await part(client, 'k', UploadId, 2, Buffer.alloc(0));
  await complete(client, 'k', UploadId, [first, last]);
  t.ok(body.equals(await read(client, 'k')));
  const empty = await begin(client, 'empty');
  await complete(client, 'empty', empty, [await part(client, 'empty', empty, 1, Buffer.alloc(0))]);
  t.equal((await read(client, 'empty')).length, 0);
});

test('an aborted upload takes a part that is being sent with it', async (t) => {
  const { client, dir, endpoint } = await build(t);
  const UploadId = await begin(client, 'k');
  const body = randomBytes(2 * MiB);
  const outgoing = startPart(endpoint, { key: 'k', number: 1, uploadId: UploadId }, body);
  await until(async () => (await stat(await dataFile(dir))).size > 0);
  await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key: 'k', UploadId }));
  outgoing.end(body.subarray(body.length / 2));
  const [incoming]: IncomingMessage[] = await once(outgoing, 'response');
  incoming?.resume();
  t.equal(incoming?.statusCode, 404);
  t.same(await readdir(join(dir, bucket, 'uploads')), []);
});
