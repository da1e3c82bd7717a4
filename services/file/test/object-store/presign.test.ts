import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { startS3 } from '@muniment/cluster';
import { test } from 'tap';
import { createPresigner } from '../../object-store/presign.ts';
import { openRequestSigner } from '../../object-store/request-signer.ts';

const KEY = '0190b5c2-1111-4222-8333-444455556666';
const CREDENTIALS = { accessKeyId: 'AKIA/EXAMPLE', secretAccessKey: 'secret+/=value' };

test("the URL equals the SDK's byte for byte", async (t) => {
  for (const [endpoint, region, token, version, date] of [
    ['http://127.0.0.1:9000', 'us-east-1', undefined, null, '2026-02-28T23:59:59.999Z'],
    ['http://127.0.0.1:9000', 'us-east-1', undefined, null, '2026-03-01T00:00:00.000Z'],
    [
      'https://s3.eu-central-1.amazonaws.com',
      'eu-central-1',
      'Fwo/token==+(x)',
      null,
      '2026-03-01T12:00:00.000Z',
    ],
    [
      'http://minio:80',
      'eu-west-1',
      undefined,
      '3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY+MTRCxf3vjVBH40Nr8X8gdRQBpUMLUo',
      '2030-01-01T00:00:00.000Z',
    ],
  ] as const) {
    const credentials = { ...CREDENTIALS, ...(token !== undefined && { sessionToken: token }) };
    const client = new S3Client({
      endpoint,
      region,
      forcePathStyle: true,
      credentials,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
    const command = new GetObjectCommand({
      Bucket: 'some-bucket',
      Key: KEY,
      ...(version !== null && { VersionId: version }),
    });
    const now = new Date(date);
    const theirs = await getSignedUrl(client, command, { expiresIn: 60, signingDate: now });
    const presign = createPresigner({
      host: new URL(endpoint).host,
      bucket: 'some-bucket',
      ttlSeconds: 60,
      createSigner: openRequestSigner({
        region,
        credentials: async () => credentials,
        now: () => now,
      }),
    });
    t.equal(new URL(endpoint).origin + (await presign(KEY, version)), theirs);
    client.destroy();
  }
});

test('S3 accepts only the unaltered, unexpired URL, by GET with any Range', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'presign-'));
  const credentials = { accessKeyId: 'id', secretAccessKey: 'secret' };
  const s3 = await startS3({ dir, buckets: ['files'], durable: false, ...credentials });
  const client = new S3Client({
    endpoint: s3.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials,
  });
  t.teardown(async () => {
    client.destroy();
    await s3.stop();
    await rm(dir, { recursive: true });
  });
  await client.send(new PutObjectCommand({ Bucket: 'files', Key: KEY, Body: '0123456789' }));
  const presignerOf = (host: string, ageMs: number) =>
    createPresigner({
      host,
      bucket: 'files',
      ttlSeconds: 60,
      createSigner: openRequestSigner({
        region: 'us-east-1',
        credentials: async () => credentials,
        now: () => new Date(Date.now() - ageMs),
      }),
    });
  const { host } = new URL(s3.endpoint);
  const url = s3.endpoint + (await presignerOf(host, 0)(KEY, null));

  t.equal(await (await fetch(url)).text(), '0123456789');
  const part = await fetch(url, { headers: { range: 'bytes=2-4' } });
  t.strictSame([part.status, await part.text()], [206, '234']);
  t.equal((await fetch(url.replace(KEY, KEY.replace('0', '1')))).status, 403);
  t.equal((await fetch(url, { method: 'DELETE' })).status, 403);
  const expired = await presignerOf(host, 61_000)(KEY, null);
  t.equal((await fetch(s3.endpoint + expired)).status, 403);
  const elsewhere = await presignerOf('other:9', 0)(KEY, null);
  t.equal((await fetch(s3.endpoint + elsewhere)).status, 403);
});
