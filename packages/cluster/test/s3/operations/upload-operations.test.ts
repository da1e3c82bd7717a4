import {
  AbortMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
  type ChecksumAlgorithm,
  type CompletedPart,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'tap';
import { bucket, build, failureOf } from '../s3-server.ts';
import { begin, complete, part } from '../send-parts.ts';

const MiB = 1024 ** 2;

test('parts become one object with a multipart ETag, and the upload is gone', async (t) => {
  const { client, dir } = await build(t);
  const UploadId = await begin(client, 'big', {
    ContentType: 'video/mp4',
    Metadata: { owner: 'u1' },
  });
  const bodies = [randomBytes(5 * MiB), randomBytes(5 * MiB + 1), randomBytes(100)];
  const parts = await Promise.all(
    bodies.map((body, i) => part(client, 'big', UploadId, i + 1, body)),
  );
  const { ETag } = await complete(client, 'big', UploadId, parts);
  const md5s = bodies.map((body) => createHash('md5').update(body).digest());
  t.equal(ETag, `"${createHash('md5').update(Buffer.concat(md5s)).digest('hex')}-3"`);
  const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key: 'big' }));
  t.match(got, { ETag, ContentType: 'video/mp4', Metadata: { owner: 'u1' } });
  t.ok(Buffer.concat(bodies).equals(Buffer.from((await got.Body?.transformToByteArray()) ?? [])));
  t.same(await readdir(join(dir, bucket, 'uploads')), []);
  t.same(await readdir(join(dir, bucket, 'temporary')), []);

  t.equal(
    (await complete(client, 'big', UploadId, parts)).ETag,
    ETag,
    'asked again, it answers the same',
  );
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'big', Body: 'other' }));
  t.same(await failureOf(complete(client, 'big', UploadId, parts)), {
    code: 'NoSuchUpload',
    status: 404,
  });
});

test('completing refuses wrong, unordered, missing and small parts', async (t) => {
  const { client } = await build(t);
  const UploadId = await begin(client, 'k');
  const big = await part(client, 'k', UploadId, 1, randomBytes(5 * MiB));
  const small = await part(client, 'k', UploadId, 2, randomBytes(5 * MiB - 1));
  const last = await part(client, 'k', UploadId, 5, randomBytes(10));
  const refused = async (parts: CompletedPart[]): Promise<string> =>
    (await failureOf(complete(client, 'k', UploadId, parts))).code;
  t.equal(await refused([last, big]), 'InvalidPartOrder');
  t.equal(await refused([big, big]), 'InvalidPartOrder');
  t.equal(await refused([big, { PartNumber: 3, ETag: last.ETag }]), 'InvalidPart');
  t.equal(await refused([{ ...big, ETag: last.ETag }, last]), 'InvalidPart');
  t.equal(await refused([big, small, last]), 'EntityTooSmall');
  t.equal(await refused([]), 'MalformedXML');
  t.same(await failureOf(client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'k' }))), {
    code: 'NotFound',
    status: 404,
  });
  t.equal(
    await refused([big, last]),
    'none',
    'the upload survived the refusals, and parts may be left out',
  );
  const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'k' }));
  t.equal(head.ContentLength, 5 * MiB + 10);
});

test('a part sent again replaces the first', async (t) => {
  const { client } = await build(t);
  const UploadId = await begin(client, 'k');
  const first = await part(client, 'k', UploadId, 1, Buffer.from('first'));
  const second = await part(client, 'k', UploadId, 1, Buffer.from('second'));
  t.equal((await failureOf(complete(client, 'k', UploadId, [first]))).code, 'InvalidPart');
  await complete(client, 'k', UploadId, [second]);
  const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' }));
  t.equal(await got.Body?.transformToString(), 'second');
});

test('an aborted or unknown upload is NoSuchUpload and leaves nothing', async (t) => {
  const { client, dir } = await build(t);
  const UploadId = await begin(client, 'k');
  const sent = await part(client, 'k', UploadId, 1, Buffer.from('x'));
  t.same(
    await failureOf(part(client, 'other', UploadId, 1, Buffer.from('x'))),
    { code: 'NoSuchUpload', status: 404 },
    'the id of another key',
  );
  const byPath = client.send(
    new ListPartsCommand({ Bucket: bucket, Key: 'k', UploadId: `../uploads/${UploadId}` }),
  );
  t.same(await failureOf(byPath), { code: 'NoSuchUpload', status: 404 }, 'an id is no path');
  await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key: 'k', UploadId }));
  t.same(await readdir(join(dir, bucket, 'uploads')), []);
  const gone = { code: 'NoSuchUpload', status: 404 };
  t.same(await failureOf(part(client, 'k', UploadId, 2, Buffer.from('x'))), gone);
  t.same(await failureOf(complete(client, 'k', UploadId, [sent])), gone);
  t.same(
    await failureOf(client.send(new ListPartsCommand({ Bucket: bucket, Key: 'k', UploadId }))),
    gone,
  );
  t.same(
    await failureOf(
      client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key: 'k', UploadId })),
    ),
    gone,
  );
  for (const PartNumber of [0, 10_001]) {
    const call = client.send(
      new UploadPartCommand({ Bucket: bucket, Key: 'k', UploadId, PartNumber, Body: 'x' }),
    );
    t.same(await failureOf(call), { code: 'InvalidArgument', status: 400 });
  }
});

test('parts and uploads are listed page by page', async (t) => {
  const { client } = await build(t);
  const ids = [await begin(client, 'a/1'), await begin(client, 'a/1'), await begin(client, 'b')];
  for (const n of [1, 2, 10]) await part(client, 'a/1', ids[0] ?? '', n, Buffer.from(`part ${n}`));
  const first = await client.send(
    new ListPartsCommand({ Bucket: bucket, Key: 'a/1', UploadId: ids[0], MaxParts: 2 }),
  );
  t.same(
    first.Parts?.map(({ PartNumber, Size }) => [PartNumber, Size]),
    [
      [1, 6],
      [2, 6],
    ],
  );
  t.equal(first.IsTruncated, true);
  const second = await client.send(
    new ListPartsCommand({
      Bucket: bucket,
      Key: 'a/1',
      UploadId: ids[0],
      PartNumberMarker: first.NextPartNumberMarker,
    }),
  );
  t.same(
    second.Parts?.map(({ PartNumber }) => PartNumber),
    [10],
  );
  t.equal(second.IsTruncated, false);

  const seen: string[] = [];
  let [KeyMarker, UploadIdMarker]: (string | undefined)[] = [];
  for (let pages = 0; pages < 5; pages++) {
    const page: ListMultipartUploadsCommandOutput = await client.send(
      new ListMultipartUploadsCommand({ Bucket: bucket, MaxUploads: 1, KeyMarker, UploadIdMarker }),
    );
    seen.push(...(page.Uploads?.map(({ UploadId = '' }) => UploadId) ?? []));
    [KeyMarker, UploadIdMarker] = [page.NextKeyMarker, page.NextUploadIdMarker];
    if (!page.IsTruncated) break;
  }
  t.same(seen.toSorted(), ids.toSorted());
  const filtered = await client.send(
    new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: 'b' }),
  );
  t.same(
    filtered.Uploads?.map(({ Key }) => Key),
    ['b'],
  );
});

test('completing with If-None-Match: * does not replace an object', async (t) => {
  const { client } = await build(t);
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'first' }));
  const UploadId = await begin(client, 'k');
  const sent = await part(client, 'k', UploadId, 1, Buffer.from('second'));
  t.same(await failureOf(complete(client, 'k', UploadId, [sent], { IfNoneMatch: '*' })), {
    code: 'PreconditionFailed',
    status: 412,
  });
  const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' }));
  t.equal(await got.Body?.transformToString(), 'first');
});

test('lib-storage uploads a stream of unknown length, with every checksum algorithm', async (t) => {
  const { client } = await build(t);
  const bytes = randomBytes(11 * MiB);
  for (const ChecksumAlgorithm of ['CRC32', 'SHA1', 'SHA256'] as ChecksumAlgorithm[]) {
    const Body = Readable.from(
      (function* () {
        for (let i = 0; i < bytes.length; i += 100_000) yield bytes.subarray(i, i + 100_000);
      })(),
    );
    await new Upload({
      client,
      params: { Bucket: bucket, Key: 'stream', Body, ChecksumAlgorithm },
      queueSize: 2,
    }).done();
    const got = await client.send(
      new GetObjectCommand({ Bucket: bucket, Key: 'stream', ChecksumMode: 'ENABLED' }),
    );
    t.ok(
      bytes.equals(Buffer.from((await got.Body?.transformToByteArray()) ?? [])),
      ChecksumAlgorithm,
    );
    t.match(got, {
      ETag: /-3"$/,
      ChecksumType: 'COMPOSITE',
      [`Checksum${ChecksumAlgorithm}`]: /-3$/,
    });
  }
});
