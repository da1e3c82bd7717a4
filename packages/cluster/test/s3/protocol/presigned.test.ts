import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { test } from 'tap';
import { bucket, build, createClient, credentials } from '../s3-server.ts';

const errorCode = async (response: Response): Promise<string> =>
  `${response.status} ${/<Code>(.*)<\/Code>/.exec(await response.text())?.[1]}`;

test('a presigned GET serves the object, with ranges and the headers it overrides', async (t) => {
  const { client } = await build(t);
  await client.send(
    new PutObjectCommand({
      Bucket: bucket,
      Key: 'ä b+c',
      Body: '0123456789',
      ContentType: 'text/plain',
    }),
  );
  const url = await getSignedUrl(
    client,
    new GetObjectCommand({
      Bucket: bucket,
      Key: 'ä b+c',
      ResponseContentDisposition: 'attachment; filename="a b.txt"',
      ResponseContentType: 'application/pdf',
      ResponseCacheControl: 'private',
      ResponseContentLanguage: 'fr',
      ResponseContentEncoding: 'identity',
    }),
    { expiresIn: 60 },
  );
  const whole = await fetch(url);
  t.equal(await whole.text(), '0123456789');
  t.equal(whole.headers.get('content-disposition'), 'attachment; filename="a b.txt"');
  t.equal(whole.headers.get('content-type'), 'application/pdf');
  t.equal(whole.headers.get('cache-control'), 'private');
  t.equal(whole.headers.get('content-language'), 'fr');
  const part = await fetch(url, { headers: { range: 'bytes=2-3' } });
  t.equal(part.status, 206);
  t.equal(await part.text(), '23');
  const etag = whole.headers.get('etag') ?? '';
  t.equal(
    await (await fetch(url, { headers: { range: 'bytes=2-3', 'if-range': etag } })).text(),
    '23',
  );
  t.equal(
    await (await fetch(url, { headers: { range: 'bytes=2-3', 'if-range': '"older"' } })).text(),
    '0123456789',
  );
  t.equal((await fetch(url, { headers: { 'if-none-match': etag } })).status, 304);
  t.equal(
    await errorCode(await fetch(url, { method: 'DELETE' })),
    '403 SignatureDoesNotMatch',
    'the method is signed',
  );
});

test('a presigned PUT stores the body and the metadata it was signed with', async (t) => {
  const { client, endpoint } = await build(t);
  const signer = createClient(t, endpoint, { requestChecksumCalculation: 'WHEN_REQUIRED' });
  const url = await getSignedUrl(
    signer,
    new PutObjectCommand({ Bucket: bucket, Key: 'up', Metadata: { owner: 'z', 'owner-2': '1' } }),
    { expiresIn: 60 },
  );
  t.equal((await fetch(url, { method: 'PUT', body: 'hello' })).status, 200);
  const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key: 'up' }));
  t.equal(await got.Body?.transformToString(), 'hello');
  t.same(
    got.Metadata,
    { owner: 'z', 'owner-2': '1' },
    'also where one name begins another, which orders what is signed',
  );
  const extra = await fetch(url, {
    method: 'PUT',
    body: 'hello',
    headers: { 'x-amz-meta-admin': 'yes' },
  });
  t.equal(
    await errorCode(extra),
    '403 AccessDenied',
    'an x-amz header outside the signature is refused',
  );
});

test('a presigned PUT that fixes the checksum of another body is refused', async (t) => {
  const { client } = await build(t);
  const url = await getSignedUrl(client, new PutObjectCommand({ Bucket: bucket, Key: 'up' }), {
    expiresIn: 60,
  });
  t.match(
    url,
    /x-amz-checksum-crc32=AAAAAA/,
    'the SDK signs the checksum of an empty body by default',
  );
  t.equal(await errorCode(await fetch(url, { method: 'PUT', body: 'hello' })), '400 BadDigest');
});

test('expired, early, tampered and anonymous URLs are refused', async (t) => {
  const { client, endpoint } = await build(t);
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'secret' }));
  const sign = (ms: number, expiresIn = 60): Promise<string> =>
    getSignedUrl(client, new GetObjectCommand({ Bucket: bucket, Key: 'k' }), {
      expiresIn,
      signingDate: new Date(Date.now() + ms),
    });
  t.equal((await fetch(await sign(-58_000))).status, 200);
  const expired = await (await fetch(await sign(-62_000))).text();
  t.match(expired, /<Code>AccessDenied<\/Code><Message>Request has expired<\/Message>/);
  t.match(
    await (await fetch(await sign(20 * 60_000))).text(),
    /<Code>AccessDenied<\/Code><Message>Request is not valid yet/,
  );

  const url = await sign(0);
  t.equal(await errorCode(await fetch(url.replace('/k?', '/other?'))), '403 SignatureDoesNotMatch');
  t.equal(
    await errorCode(await fetch(url.replace('X-Amz-Expires=60', 'X-Amz-Expires=600'))),
    '403 SignatureDoesNotMatch',
  );
  t.equal(
    await errorCode(await fetch(`${url}&response-content-type=text%2Fhtml`)),
    '403 SignatureDoesNotMatch',
  );
  t.equal(
    await errorCode(await fetch(url.replace(/X-Amz-Expires=60/, 'X-Amz-Expires=604801'))),
    '400 AuthorizationQueryParametersError',
  );
  t.equal(
    await errorCode(await fetch(url.replace(/&X-Amz-Signature=[^&]*/, ''))),
    '400 AuthorizationQueryParametersError',
  );
  t.equal(
    await errorCode(await fetch(url.replace(credentials.accessKeyId, 'someone'))),
    '403 InvalidAccessKeyId',
  );
  t.equal(
    await errorCode(
      await fetch(url, { headers: { authorization: 'AWS4-HMAC-SHA256 Credential=x' } }),
    ),
    '400 InvalidArgument',
  );
  t.equal(await errorCode(await fetch(`${endpoint}/${bucket}/k`)), '403 AccessDenied');
  t.equal((await fetch(`${endpoint}/${bucket}/k`, { method: 'HEAD' })).status, 403);
});

test('an overriding header cannot carry a line break', async (t) => {
  const { client } = await build(t);
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x' }));
  const url = await getSignedUrl(
    client,
    new GetObjectCommand({
      Bucket: bucket,
      Key: 'k',
      ResponseContentType: 'text/plain\r\nset-cookie: a=b',
    }),
    { expiresIn: 60 },
  );
  const response = await fetch(url);
  t.equal(response.headers.get('set-cookie'), null);
  t.equal(await errorCode(response), '400 InvalidArgument');
});
