import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketAclCommand,
  GetBucketLocationCommand,
  GetBucketVersioningCommand,
  PutBucketVersioningCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type ListObjectsV2CommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { test } from 'tap';
import { bucket, build, failureOf } from '../s3-server.ts';
import { put, sendRequest, sha256, signRequest } from '../sign-request.ts';

const fill = async (client: S3Client, keys: string[]): Promise<void> => {
  for (const Key of keys)
    await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: Key }));
};

async function pages(
  client: S3Client,
  input: object,
): Promise<{ keys: string[]; prefixes: string[]; pages: number }> {
  const all = { keys: [] as string[], prefixes: [] as string[], pages: 0 };
  let token: string | undefined;
  do {
    const page: ListObjectsV2CommandOutput = await client.send(
      new ListObjectsV2Command({
        Bucket: bucket,
        ...input,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      }),
    );
    all.keys.push(...(page.Contents?.map(({ Key = '' }) => Key) ?? []));
    all.prefixes.push(...(page.CommonPrefixes?.map(({ Prefix = '' }) => Prefix) ?? []));
    all.pages++;
    token = page.NextContinuationToken;
  } while (token !== undefined);
  return all;
}

test('buckets are created, listed, found, and deleted once they are empty', async (t) => {
  const { client, dir } = await build(t);
  await client.send(
    new CreateBucketCommand({
      Bucket: 'second',
      CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' },
    }),
  );
  await client.send(new HeadBucketCommand({ Bucket: 'second' }));
  const { Buckets } = await client.send(new ListBucketsCommand({}));
  t.same(
    Buckets?.map(({ Name }) => Name),
    [bucket, 'second'],
  );
  t.ok(
    Buckets?.every(
      ({ CreationDate }) => Math.abs((CreationDate?.getTime() ?? 0) - Date.now()) < 10_000,
    ),
  );
  await t.resolves(client.send(new GetBucketLocationCommand({ Bucket: 'second' })));
  t.equal(
    (await client.send(new GetBucketVersioningCommand({ Bucket: 'second' }))).Status,
    undefined,
  );
  t.same(await failureOf(client.send(new CreateBucketCommand({ Bucket: 'second' }))), {
    code: 'BucketAlreadyOwnedByYou',
    status: 409,
  });
  for (const Bucket of ['Up', 'a', 'a..b', '1.2.3.4']) {
    t.same(
      await failureOf(client.send(new CreateBucketCommand({ Bucket }))),
      { code: 'InvalidBucketName', status: 400 },
      Bucket,
    );
  }
  await client.send(new PutObjectCommand({ Bucket: 'second', Key: 'k', Body: 'x' }));
  t.same(await failureOf(client.send(new DeleteBucketCommand({ Bucket: 'second' }))), {
    code: 'BucketNotEmpty',
    status: 409,
  });
  await client.send(new DeleteObjectCommand({ Bucket: 'second', Key: 'k' }));
  await client.send(new CreateMultipartUploadCommand({ Bucket: 'second', Key: 'k' }));
  await client.send(new DeleteBucketCommand({ Bucket: 'second' }));
  t.same(await failureOf(client.send(new HeadBucketCommand({ Bucket: 'second' }))), {
    code: 'NotFound',
    status: 404,
  });
  t.same(await failureOf(client.send(new ListObjectsV2Command({ Bucket: 'second' }))), {
    code: 'NoSuchBucket',
    status: 404,
  });
  t.same(await readdir(dir), [bucket]);
});

test('a missing feature is NotImplemented, a wrong method MethodNotAllowed', async (t) => {
  const { client, endpoint } = await build(t);
  t.same(await failureOf(client.send(new GetBucketAclCommand({ Bucket: bucket }))), {
    code: 'NotImplemented',
    status: 501,
  });
  const versioning = new PutBucketVersioningCommand({
    Bucket: bucket,
    VersioningConfiguration: { Status: 'Enabled' },
  });
  t.same(await failureOf(client.send(versioning)), { code: 'NotImplemented', status: 501 });
  const raw = { payload: sha256(''), headers: {} };
  t.match(await put(endpoint, { ...raw, method: 'POST' }, Buffer.alloc(0)), {
    status: 405,
    code: 'MethodNotAllowed',
  });
  t.match(await put(endpoint, { ...raw, method: 'PATCH', path: `/${bucket}` }, Buffer.alloc(0)), {
    status: 405,
    code: 'MethodNotAllowed',
  });
  t.match(await put(endpoint, { ...raw, method: 'DELETE', path: '/' }, Buffer.alloc(0)), {
    status: 405,
    code: 'MethodNotAllowed',
  });
});

test('a listing is in the order of UTF-8 bytes and pages without gaps or doubles', async (t) => {
  const { client } = await build(t);
  const keys = [
    'b',
    'a',
    'a/2',
    'a/1',
    'a b',
    'B',
    'ü',
    '\u{ff5e}',
    '\u{1f600}',
    'a+c',
    'a&<>"\'',
    'x\ny',
    'z',
  ];
  await fill(client, keys);
  const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const MaxKeys of [1, 2, 5, 1000]) {
    const all = await pages(client, { MaxKeys });
    t.same(all.keys, sorted, `pages of ${MaxKeys}`);
    t.equal(all.pages, Math.ceil(keys.length / MaxKeys));
  }
  const first = await client.send(new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 3 }));
  t.match(first, { KeyCount: 3, MaxKeys: 3, IsTruncated: true, Name: bucket });
  t.match(first.Contents?.[0], {
    Key: sorted[0],
    Size: Buffer.byteLength(sorted[0] ?? ''),
    ETag: /^"[0-9a-f]{32}"$/,
    LastModified: Date,
  });
  t.same((await pages(client, { Prefix: 'a/' })).keys, ['a/1', 'a/2']);
  t.same((await pages(client, { StartAfter: 'a/1', Prefix: 'a' })).keys, ['a/2']);
  t.same((await pages(client, { StartAfter: 'a0' })).keys, sorted.slice(sorted.indexOf('b')));
  t.same((await pages(client, { Prefix: 'none' })).keys, []);
  t.match(await client.send(new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 0 })), {
    KeyCount: 0,
    IsTruncated: false,
  });
});

test('a delimiter groups keys into prefixes that count once and never repeat', async (t) => {
  const { client } = await build(t);
  await fill(client, ['a', 'a/', 'a/1', 'a/2/x', 'a/2/y', 'a/3', 'b/1', 'b/2', 'c']);
  for (const MaxKeys of [1, 2, 3, 1000]) {
    t.match(
      await pages(client, { Delimiter: '/', MaxKeys }),
      { keys: ['a', 'c'], prefixes: ['a/', 'b/'] },
      `pages of ${MaxKeys}`,
    );
    t.match(await pages(client, { Delimiter: '/', Prefix: 'a/', MaxKeys }), {
      keys: ['a/', 'a/1', 'a/3'],
      prefixes: ['a/2/'],
    });
  }
});

test('encoding-type=url writes any key in XML', async (t) => {
  const { client } = await build(t);
  await fill(client, ['a b/ü', 'nul\u0001/+%']);
  const page = await client.send(
    new ListObjectsV2Command({ Bucket: bucket, EncodingType: 'url', Delimiter: '+' }),
  );
  t.match(page, { EncodingType: 'url', Delimiter: '%2B' });
  t.same(
    page.Contents?.map(({ Key }) => Key),
    ['a+b/%C3%BC'],
  );
  t.same(
    page.CommonPrefixes?.map(({ Prefix }) => Prefix),
    ['nul%01/%2B'],
  );
});

test('bad listing arguments are refused', async (t) => {
  const { client, endpoint } = await build(t);
  t.same(await failureOf(client.send(new ListObjectsV2Command({ Bucket: bucket, MaxKeys: -1 }))), {
    code: 'InvalidArgument',
    status: 400,
  });
  t.same(
    await failureOf(
      client.send(new ListObjectsV2Command({ Bucket: bucket, ContinuationToken: '%%%' })),
    ),
    { code: 'InvalidArgument', status: 400 },
  );
  t.equal((await fetch(`${endpoint}/${bucket}/%zz`)).status, 400);
});

test('the first version of the listing pages by marker', async (t) => {
  const { client } = await build(t);
  await fill(client, ['a/1', 'a/2', 'b', 'c']);
  const first = await client.send(
    new ListObjectsCommand({ Bucket: bucket, Delimiter: '/', MaxKeys: 1 }),
  );
  t.match(first, { IsTruncated: true, NextMarker: 'a/', CommonPrefixes: [{ Prefix: 'a/' }] });
  const rest = await client.send(
    new ListObjectsCommand({ Bucket: bucket, Delimiter: '/', Marker: first.NextMarker }),
  );
  t.same(
    rest.Contents?.map(({ Key }) => Key),
    ['b', 'c'],
  );
});

test('DeleteObjects deletes 1,000 keys of any shape at once', async (t) => {
  const { client } = await build(t);
  const odd = ['a&b<c>', ' lead', 'trail ', 'x\r\ny', '"q"', '007', 'true', '日本'];
  await fill(client, [...odd, 'keep']);
  const Objects = [...odd, ...Array.from({ length: 992 }, (_, i) => `absent&<>"'${i}`)].map(
    (Key) => ({ Key }),
  );
  const result = await client.send(
    new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }),
  );
  t.equal(result.Deleted?.length, 1000);
  t.equal(result.Errors, undefined);
  t.same((await pages(client, {})).keys, ['keep']);
  const quiet = await client.send(
    new DeleteObjectsCommand({
      Bucket: bucket,
      Delete: { Objects: [{ Key: 'keep' }], Quiet: true },
    }),
  );
  t.equal(quiet.Deleted, undefined);
  t.same((await pages(client, {})).keys, []);
  t.same(
    await failureOf(
      client.send(
        new DeleteObjectsCommand({
          Bucket: bucket,
          Delete: { Objects: [...Objects, { Key: 'x' }] },
        }),
      ),
    ),
    { code: 'MalformedXML', status: 400 },
  );
});

test('DeleteObjects requires a checksum and well-formed XML', async (t) => {
  const { endpoint } = await build(t);
  const send = async (body: string, headers: Record<string, string>): Promise<string> => {
    const raw = {
      method: 'POST',
      path: `/${bucket}`,
      payload: sha256(body),
      headers,
      query: 'delete=',
    };
    const { headers: signed } = signRequest(endpoint, raw);
    return (
      await sendRequest(
        endpoint,
        { ...raw, path: `${raw.path}?delete` },
        { ...signed, 'content-length': String(body.length) },
        Buffer.from(body),
      )
    ).code;
  };
  const md5 = (text: string): Record<string, string> => ({
    'content-md5': createHash('md5').update(text).digest('base64'),
  });
  const good = '<Delete><Object><Key>k</Key></Object></Delete>';
  t.equal(await send(good, {}), 'InvalidRequest');
  t.equal(await send(good, md5('other')), 'BadDigest');
  for (const bad of [
    '',
    '<Delete>',
    '<Delete></Delete>',
    '<Other><Object><Key>k</Key></Object></Other>',
    '<Delete><Object><Key/></Object></Delete>',
    '<!DOCTYPE x [<!ENTITY e "eeee">]><Delete><Object><Key>&e;</Key></Object></Delete>',
  ]) {
    t.equal(await send(bad, md5(bad)), 'MalformedXML', bad);
  }
  t.equal(await send(good, md5(good)), '');
});
