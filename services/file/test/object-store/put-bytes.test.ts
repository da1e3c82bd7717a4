import { createHash } from 'node:crypto';
import { PutObjectCommand, S3Client, UploadPartCommand } from '@aws-sdk/client-s3';
import { test } from 'tap';
import { authorize } from '../../object-store/put-bytes.ts';
import { encodeValue, openRequestSigner } from '../../object-store/request-signer.ts';
import { build } from '../build.ts';

const KEY = '0190b5c2-1111-4222-8333-444455556666';
const CREDENTIALS = { accessKeyId: 'AKIA/EXAMPLE', secretAccessKey: 'secret+/=value' };

interface SentRequest {
  method: string;
  path: string;
  query: Record<string, string>;
  headers: Record<string, string>;
}

/** A client of the SDK that sends nothing, and what it would have sent. */
function createRecorder(sessionToken: string | undefined) {
  const sent: SentRequest[] = [];
  const client = new S3Client({
    endpoint: 'http://127.0.0.1:9000',
    region: 'eu-west-1',
    forcePathStyle: true,
    credentials: { ...CREDENTIALS, ...(sessionToken !== undefined && { sessionToken }) },
    maxAttempts: 1,
    requestHandler: {
      async handle(request: SentRequest) {
        sent.push(request);
        throw new Error('not sent');
      },
    },
  });
  return { client, sent };
}

const canonicalQuery = (query: Record<string, string>): string =>
  Object.entries(query)
    .map(([name, value]) => `${name}=${encodeValue(value)}`)
    .toSorted()
    .join('&');

/** When a request says that it was signed. */
const dateOf = (timestamp = ''): Date =>
  new Date(
    timestamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6.000Z'),
  );

test("a signature equals the SDK's", async (t) => {
  const object = { Bucket: 'some-bucket', Key: KEY, Body: Buffer.from('x') };
  const upload = { PartNumber: 12, UploadId: 'a+b/c=(d)~' };
  for (const sessionToken of [undefined, 'Fwo/token==+(x)']) {
    const { client, sent } = createRecorder(sessionToken);
    const type = { ContentType: 'text/plain; charset=utf-8' };
    await t.rejects(client.send(new PutObjectCommand({ ...object, ...type })), /not sent/);
    await t.rejects(client.send(new UploadPartCommand({ ...object, ...upload })), /not sent/);
    t.equal(sent.length, 2);
    for (const { method, path, query, headers } of sent) {
      const signedNames = /SignedHeaders=([^,]+)/.exec(headers['authorization'] ?? '')?.[1];
      const signed = Object.entries(headers).filter(([name]) =>
        signedNames?.split(';').includes(name),
      );
      const createSigner = openRequestSigner({
        region: 'eu-west-1',
        credentials: async () => ({ ...CREDENTIALS, sessionToken }),
        now: () => dateOf(headers['x-amz-date']),
      });
      const ours = authorize(
        {
          method,
          path,
          query: canonicalQuery(query),
          headers: Object.fromEntries(signed),
          payloadHash: headers['x-amz-content-sha256'] ?? '',
        },
        await createSigner(),
      );
      t.equal(ours['authorization'], headers['authorization']);
    }
    client.destroy();
  }
});

test('new credentials and a new day are signed with', async (t) => {
  const credentials = [
    { accessKeyId: 'first', secretAccessKey: 'one', sessionToken: 'token' },
    { accessKeyId: 'first', secretAccessKey: 'one', sessionToken: 'token' },
    { accessKeyId: 'second', secretAccessKey: 'two' },
  ];
  const days = ['2026-02-28T23:59:59Z', '2026-03-01T00:00:00Z', '2026-03-01T00:00:00Z'];
  let signers = 0;
  const createSigner = openRequestSigner({
    region: 'us-east-1',
    credentials: async () => credentials[signers] ?? CREDENTIALS,
    now: () => new Date(days[signers++] ?? ''),
  });
  for (const [i, { accessKeyId, sessionToken }] of credentials.entries()) {
    const fresh = openRequestSigner({
      region: 'us-east-1',
      credentials: async () => credentials[i] ?? CREDENTIALS,
      now: () => new Date(days[i] ?? ''),
    });
    const [signer, expected] = [await createSigner(), await fresh()];
    t.equal(signer.sign('request'), expected.sign('request'));
    t.equal(signer.sessionToken, sessionToken);
    t.match(signer.credential, accessKeyId);
  }
});

test('S3 refuses altered bytes and altered headers, which is no outage', async (t) => {
  const { files, stored } = await build(t);
  const { putBytes } = files.store;
  const sha256 = createHash('sha256').update('hello').digest();
  const request = {
    key: KEY,
    query: '',
    headers: { 'x-amz-checksum-sha256': sha256.toString('base64') },
    payloadHash: sha256.toString('hex'),
    body: Buffer.from('hello'),
    timeoutMs: 1_500,
  };
  await t.rejects(putBytes({ ...request, body: Buffer.from('hallo') }), {
    name: /^(BadDigest|XAmzContentSHA256Mismatch)$/,
    $fault: 'client',
    $metadata: { httpStatusCode: 400 },
  });
  await t.rejects(putBytes({ ...request, query: 'partNumber=1&uploadId=absent' }), {
    name: 'NoSuchUpload',
  });
  t.strictSame((await stored()).objects, []);
  t.match(await putBytes(request), { etag: /^".+"$/ });
  t.strictSame((await stored()).objects, [KEY]);
});
