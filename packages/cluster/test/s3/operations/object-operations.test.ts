import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'tap';
import { bucket, build, failureOf } from '../s3-server.ts';

test('an object has its bytes, type and metadata, and is gone after delete', async (t) => {
  const { client } = await build(t);
  const Body = randomBytes(200_000);
  const put = await client.send(
    new PutObjectCommand({
      Bucket: bucket,
      Key: 'a/b.pdf',
      Body,
      ContentType: 'application/pdf',
      ContentDisposition: 'attachment; filename="b.pdf"',
      CacheControl: 'no-store',
      ContentLanguage: 'de',
      ContentEncoding: 'identity',
      Metadata: { owner: 'u1', note: 'two  words' },
    }),
  );
  t.equal(put.ETag, `"${createHash('md5').update(Body).digest('hex')}"`);
  t.ok(put.ChecksumCRC32);

  const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key: 'a/b.pdf' }));
  t.ok(Body.equals((await got.Body?.transformToByteArray()) ?? Buffer.alloc(0)));
  t.equal(got.ChecksumCRC32, put.ChecksumCRC32);
  const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'a/b.pdf' }));
  for (const answer of [got, head]) {
    t.match(answer, {
      ContentLength: Body.length,
      ContentType: 'application/pdf',
      ContentDisposition: 'attachment; filename="b.pdf"',
      CacheControl: 'no-store',
      ContentLanguage: 'de',
      ContentEncoding: 'identity',
      Metadata: { owner: 'u1', note: 'two  words' },
      ETag: put.ETag,
      AcceptRanges: 'bytes',
    });
    t.ok(Math.abs((answer.LastModified?.getTime() ?? 0) - Date.now()) < 5000);
  }
  await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'a/b.pdf' }));
  t.same(await failureOf(client.send(new GetObjectCommand({ Bucket: bucket, Key: 'a/b.pdf' }))), {
    code: 'NoSuchKey',
    status: 404,
  });
  t.same(await failureOf(client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'a/b.pdf' }))), {
    code: 'NotFound',
    status: 404,
  });
  await t.resolves(
    client.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'a/b.pdf' })),
    'deleting what is not there succeeds',
  );
});

test('an empty object is an object', async (t) => {
  const { client } = await build(t);
  await client.send(
    new PutObjectCommand({ Bucket: bucket, Key: 'empty', Body: '', ContentLength: 0 }),
  );
  const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key: 'empty' }));
  t.equal(got.ContentLength, 0);
  t.equal(got.ETag, '"d41d8cd98f00b204e9800998ecf8427e"');
  t.equal(await got.Body?.transformToString(), '');
  t.same(
    await failureOf(
      client.send(new GetObjectCommand({ Bucket: bucket, Key: 'empty', Range: 'bytes=0-' })),
    ),
    { code: 'InvalidRange', status: 416 },
  );
});

test('a missing bucket is NoSuchBucket', async (t) => {
  const { client } = await build(t);
  t.same(
    await failureOf(client.send(new PutObjectCommand({ Bucket: 'nobody', Key: 'k', Body: 'x' }))),
    { code: 'NoSuchBucket', status: 404 },
  );
  t.same(await failureOf(client.send(new GetObjectCommand({ Bucket: 'nobody', Key: 'k' }))), {
    code: 'NoSuchBucket',
    status: 404,
  });
});

test('a range answers exactly its bytes', async (t) => {
  const { client } = await build(t);
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: '0123456789' }));
  const ranges: [string, string, string][] = [
    ['bytes=0-0', '0', 'bytes 0-0/10'],
    ['bytes=2-5', '2345', 'bytes 2-5/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-3', '789', 'bytes 7-9/10'],
    ['bytes=-99', '0123456789', 'bytes 0-9/10'],
    ['bytes=8-99', '89', 'bytes 8-9/10'],
  ];
  for (const [Range, text, contentRange] of ranges) {
    const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key: 'k', Range }));
    t.equal(await got.Body?.transformToString(), text, Range);
    t.equal(got.ContentRange, contentRange);
    t.equal(got.$metadata.httpStatusCode, 206);
  }
  for (const Range of ['bytes=10-', 'bytes=-0', 'bytes=10-20']) {
    t.same(
      await failureOf(client.send(new GetObjectCommand({ Bucket: bucket, Key: 'k', Range }))),
      { code: 'InvalidRange', status: 416 },
      Range,
    );
  }
  for (const Range of ['bytes=5-2', 'lines=0-1', 'bytes=0-1,3-4', 'bytes=-']) {
    const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key: 'k', Range }));
    t.equal(await got.Body?.transformToString(), '0123456789', `${Range} is ignored`);
    t.equal(got.$metadata.httpStatusCode, 200);
  }
});

test('reads evaluate their preconditions', async (t) => {
  const { client } = await build(t);
  const { ETag } = await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x' }));
  const { LastModified = new Date() } = await client.send(
    new HeadObjectCommand({ Bucket: bucket, Key: 'k' }),
  );
  const [before, after] = [
    new Date(LastModified.getTime() - 60_000),
    new Date(LastModified.getTime() + 60_000),
  ];
  const status = async (conditions: object): Promise<number | undefined> => {
    const call = client.send(new GetObjectCommand({ Bucket: bucket, Key: 'k', ...conditions }));
    return call.then(
      ({ $metadata }) => $metadata.httpStatusCode,
      async () => (await failureOf(call)).status,
    );
  };
  t.equal(await status({ IfMatch: ETag }), 200);
  t.equal(await status({ IfMatch: '*' }), 200);
  t.equal(await status({ IfMatch: '"other"' }), 412);
  t.equal(await status({ IfNoneMatch: ETag }), 304);
  t.equal(await status({ IfNoneMatch: '"other"' }), 200);
  t.equal(await status({ IfModifiedSince: before }), 200);
  t.equal(await status({ IfModifiedSince: LastModified }), 304);
  t.equal(await status({ IfUnmodifiedSince: before }), 412);
  t.equal(await status({ IfUnmodifiedSince: after }), 200);
  t.equal(
    await status({ IfMatch: ETag, IfUnmodifiedSince: before }),
    200,
    'If-Match outranks If-Unmodified-Since',
  );
  t.equal(
    await status({ IfNoneMatch: '"other"', IfModifiedSince: after }),
    200,
    'If-None-Match outranks If-Modified-Since',
  );
});

test('If-None-Match: * creates once, even for 20 writers at a time', async (t) => {
  const { client } = await build(t);
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      failureOf(
        client.send(
          new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: `writer ${i}`, IfNoneMatch: '*' }),
        ),
      ),
    ),
  );
  t.equal(results.filter(({ code }) => code === 'none').length, 1);
  t.equal(
    results.filter(({ code, status }) => code === 'PreconditionFailed' && status === 412).length,
    19,
  );
});

test('If-Match replaces only what the writer has seen', async (t) => {
  const { client } = await build(t);
  t.same(
    await failureOf(
      client.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x', IfMatch: '"e"' })),
    ),
    { code: 'NoSuchKey', status: 404 },
  );
  const { ETag } = await client.send(
    new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'one' }),
  );
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'two', IfMatch: ETag }));
  t.same(
    await failureOf(
      client.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'three', IfMatch: ETag })),
    ),
    { code: 'PreconditionFailed', status: 412 },
  );
  const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' }));
  t.equal(await got.Body?.transformToString(), 'two');
});

test('a copy keeps or replaces the metadata as asked', async (t) => {
  const { client } = await build(t);
  const { ETag } = await client.send(
    new PutObjectCommand({
      Bucket: bucket,
      Key: 'ä b/+',
      Body: 'bytes',
      ContentType: 'text/plain',
      Metadata: { a: '1' },
    }),
  );
  const CopySource = `${bucket}/${encodeURIComponent('ä b/+')}`;
  const copied = await client.send(
    new CopyObjectCommand({ Bucket: bucket, Key: 'kept', CopySource }),
  );
  t.equal(copied.CopyObjectResult?.ETag, ETag);
  await client.send(
    new CopyObjectCommand({
      Bucket: bucket,
      Key: 'replaced',
      CopySource,
      MetadataDirective: 'REPLACE',
      ContentType: 'text/html',
      Metadata: { b: '2' },
    }),
  );
  const kept = await client.send(new GetObjectCommand({ Bucket: bucket, Key: 'kept' }));
  t.match(kept, { ContentType: 'text/plain', Metadata: { a: '1' } });
  t.equal(await kept.Body?.transformToString(), 'bytes');
  const replaced = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'replaced' }));
  t.match(replaced, { ContentType: 'text/html' });
  t.same(replaced.Metadata, { b: '2' });
  t.same(
    await failureOf(
      client.send(
        new CopyObjectCommand({ Bucket: bucket, Key: 'x', CopySource: `${bucket}/absent` }),
      ),
    ),
    { code: 'NoSuchKey', status: 404 },
  );
  t.same(
    await failureOf(
      client.send(
        new CopyObjectCommand({ Bucket: bucket, Key: 'kept', CopySource: `${bucket}/kept` }),
      ),
    ),
    { code: 'InvalidRequest', status: 400 },
  );
  t.same(
    await failureOf(
      client.send(
        new CopyObjectCommand({ Bucket: bucket, Key: 'x', CopySource, CopySourceIfMatch: '"no"' }),
      ),
    ),
    { code: 'PreconditionFailed', status: 412 },
  );
});

test('any key names its own object and stays inside the folder', async (t) => {
  const { client, dir } = await build(t);
  const keys = [
    '../../../etc/passwd',
    '..',
    '.',
    './a',
    'a/../b',
    'b',
    '/lead',
    'trail/',
    'a//b',
    'per%2Fcent',
    'per/cent',
    'q?x=1&y#z',
    'plus+ space',
    'quote"\'<>&',
    'ünï/日本/😀',
    'back\\slash',
    'nul\0',
    'line\nbreak',
    `${'ü'.repeat(511)}x`,
    'x'.repeat(1024),
    'x'.repeat(200),
    'x~',
    'x.object',
    "*()!'",
  ];
  for (const Key of keys)
    await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: `body of ${Key}` }));
  for (const Key of keys) {
    const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
    t.equal(
      await got.Body?.transformToString(),
      `body of ${Key}`,
      JSON.stringify(Key.slice(0, 40)),
    );
  }
  t.same(await readdir(dir), [bucket]);
  t.same((await readdir(join(dir, bucket))).sort(), ['objects', 'temporary', 'uploads']);
  t.same(
    await failureOf(
      client.send(new PutObjectCommand({ Bucket: bucket, Key: 'x'.repeat(1025), Body: 'x' })),
    ),
    { code: 'KeyTooLongError', status: 400 },
  );
});

test('too much metadata and unsupported headers are refused', async (t) => {
  const { client } = await build(t);
  const put = (more: object): Promise<unknown> =>
    client.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x', ...more }));
  t.same(await failureOf(put({ Metadata: { big: 'x'.repeat(2100) } })), {
    code: 'MetadataTooLarge',
    status: 400,
  });
  t.same(await failureOf(put({ Tagging: 'a=b' })), { code: 'NotImplemented', status: 501 });
  t.same(
    await failureOf(
      client.send(new GetObjectCommand({ Bucket: bucket, Key: 'k', VersionId: '1' })),
    ),
    { code: 'NotImplemented', status: 501 },
  );
});

test('a reader sees one whole version of an object that is overwritten constantly', async (t) => {
  const { client } = await build(t);
  const versions = Array.from({ length: 4 }, (_, i) => Buffer.alloc(300_000, 65 + i));
  const write = (i: number): Promise<unknown> =>
    client.send(
      new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: versions[i % versions.length] ?? '' }),
    );
  await write(0);
  let done = false;
  const writers = Promise.all(
    [0, 1, 2, 3].map(async (i) => {
      for (let round = 0; round < 15; round++) await write(i + round);
    }),
  ).finally(() => {
    done = true;
  });
  let reads = 0;
  while (!done) {
    const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' }));
    const bytes = Buffer.from((await got.Body?.transformToByteArray()) ?? []);
    if (!versions.some((version) => version.equals(bytes)))
      t.fail(`torn read of ${bytes.length} bytes`);
    if (got.ETag !== `"${createHash('md5').update(bytes).digest('hex')}"`)
      t.fail('the ETag is of another version');
    reads++;
  }
  await writers;
  t.ok(reads > 10, `${reads} reads`);
});
