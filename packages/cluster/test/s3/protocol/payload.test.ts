import {
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type ChecksumAlgorithm,
  type S3Client,
} from '@aws-sdk/client-s3';
import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test, type Test } from 'tap';
import { createChecksum } from '../../../src/s3/protocol/checksums.ts';
import { bucket, build, createClient, failureOf } from '../s3-server.ts';
import { put, sha256, type ChunkSigner, type RawAnswer, type RawRequest } from '../sign-request.ts';

const data = randomBytes(150_000);
const crc32c = (bytes: Buffer): string => {
  const checksum = createChecksum('crc32c');
  checksum.update(bytes);
  return checksum.digest().toString('base64');
};
const md5 = (bytes: Buffer): string => createHash('md5').update(bytes).digest('base64');

async function stored(client: S3Client): Promise<Buffer> {
  const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' }));
  return Buffer.from((await got.Body?.transformToByteArray()) ?? []);
}

/** Expects a refusal with this code that leaves no object and no file. */
async function refused(
  t: Test,
  server: { client: S3Client; dir: string },
  answer: RawAnswer,
  code: string,
  status = 400,
): Promise<void> {
  t.same([answer.code, answer.status], [code, status]);
  t.same(await failureOf(server.client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'k' }))), {
    code: 'NotFound',
    status: 404,
  });
  t.same(await readdir(join(server.dir, bucket, 'temporary')), []);
}

const chunked = {
  'content-encoding': 'aws-chunked',
  'x-amz-decoded-content-length': String(data.length),
};
const signedChunks: RawRequest = {
  payload: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
  headers: chunked,
};
const signedTrailer: RawRequest = {
  payload: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
  headers: { ...chunked, 'x-amz-trailer': 'x-amz-checksum-crc32c' },
};
const unsignedTrailer: RawRequest = {
  payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  headers: { ...chunked, 'x-amz-trailer': 'x-amz-checksum-crc32c' },
};

const chunks = (signer: ChunkSigner): Buffer =>
  Buffer.concat([
    signer.chunk(data.subarray(0, 65536)),
    signer.chunk(data.subarray(65536)),
    signer.chunk(Buffer.alloc(0)),
  ]);
const unsigned = (bytes: Buffer, trailer: string): Buffer =>
  Buffer.concat([
    Buffer.from(`${bytes.length.toString(16)}\r\n`),
    bytes,
    Buffer.from(`\r\n0\r\n${trailer && `${trailer}\r\n`}\r\n`),
  ]);

test('a body with its SHA-256 signed is stored, and refused when it differs', async (t) => {
  const server = await build(t);
  await refused(
    t,
    server,
    await put(server.endpoint, { payload: sha256('other') }, data),
    'XAmzContentSHA256Mismatch',
  );
  t.equal((await put(server.endpoint, { payload: sha256(data) }, data)).status, 200);
  t.ok(data.equals(await stored(server.client)));
});

test('a SHA-256 that is signed and claimed as checksum is checked as both', async (t) => {
  const server = await build(t);
  const claim = (bytes: Buffer): Record<string, string> => ({
    'x-amz-checksum-sha256': Buffer.from(sha256(bytes), 'hex').toString('base64'),
  });
  const send = (signed: Buffer, claimed: Buffer): Promise<RawAnswer> =>
    put(server.endpoint, { payload: sha256(signed), headers: claim(claimed) }, data);
  const other = Buffer.from('other');
  await refused(t, server, await send(other, data), 'XAmzContentSHA256Mismatch');
  await refused(t, server, await send(data, other), 'BadDigest');
  t.equal((await send(data, data)).status, 200);
  t.ok(data.equals(await stored(server.client)));
});

test('UNSIGNED-PAYLOAD is stored; an unknown form is refused', async (t) => {
  const server = await build(t);
  await refused(
    t,
    server,
    await put(server.endpoint, { payload: 'NONSENSE' }, data),
    'InvalidArgument',
  );
  await refused(
    t,
    server,
    await put(server.endpoint, { payload: 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD' }, data),
    'NotImplemented',
    501,
  );
  t.equal((await put(server.endpoint, { payload: 'UNSIGNED-PAYLOAD' }, data)).status, 200);
  t.ok(data.equals(await stored(server.client)));
});

test('signed chunks are stored without their framing and content encoding', async (t) => {
  const { endpoint, client } = await build(t);
  t.equal(
    (
      await put(
        endpoint,
        { ...signedChunks, headers: { ...chunked, 'content-encoding': 'aws-chunked,gzip' } },
        (signer) => Buffer.concat([chunks(signer), Buffer.from('\r\n')]),
      )
    ).status,
    200,
  );
  t.ok(data.equals(await stored(client)));
  t.equal(
    (await client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'k' }))).ContentEncoding,
    'gzip',
  );
});

test('a tampered, reordered, dropped or unsigned chunk is refused', async (t) => {
  const server = await build(t);
  const send = (body: (signer: ChunkSigner) => Buffer): Promise<RawAnswer> =>
    put(server.endpoint, signedChunks, body);
  const end = Buffer.from('\r\n');
  await refused(
    t,
    server,
    await send((signer) => {
      const bytes = Buffer.concat([chunks(signer), end]);
      bytes[70_000] = (bytes[70_000] ?? 0) ^ 1;
      return bytes;
    }),
    'SignatureDoesNotMatch',
    403,
  );
  await refused(
    t,
    server,
    await send((signer) => {
      const [one, two, last] = [
        signer.chunk(data.subarray(0, 75_000)),
        signer.chunk(data.subarray(75_000)),
        signer.chunk(Buffer.alloc(0)),
      ];
      return Buffer.concat([two, one, last, end]);
    }),
    'SignatureDoesNotMatch',
    403,
  );
  await refused(
    t,
    server,
    await send((signer) => {
      const [, two, last] = [
        signer.chunk(data.subarray(0, 75_000)),
        signer.chunk(data.subarray(75_000)),
        signer.chunk(Buffer.alloc(0)),
      ];
      return Buffer.concat([two, last, end]);
    }),
    'SignatureDoesNotMatch',
    403,
  );
  await refused(t, server, await send(() => unsigned(data, '')), 'SignatureDoesNotMatch', 403);
  await refused(
    t,
    server,
    await send((signer) => Buffer.concat([signer.chunk(data), Buffer.from('0\r\n\r\n')])),
    'SignatureDoesNotMatch',
    403,
  );
});

test('chunks that end early, do not parse, or add up to another length are refused', async (t) => {
  const server = await build(t);
  const send = (body: (signer: ChunkSigner) => Buffer): Promise<RawAnswer> =>
    put(server.endpoint, signedChunks, body);
  await refused(t, server, await send((signer) => signer.chunk(data)), 'IncompleteBody');
  await refused(
    t,
    server,
    await send((signer) => signer.chunk(data).subarray(0, 1000)),
    'IncompleteBody',
  );
  await refused(
    t,
    server,
    await send((signer) =>
      Buffer.concat([
        signer.chunk(data.subarray(1)),
        signer.chunk(Buffer.alloc(0)),
        Buffer.from('\r\n'),
      ]),
    ),
    'IncompleteBody',
  );
  await refused(
    t,
    server,
    await send((signer) => Buffer.concat([signer.chunk(data), signer.chunk(data)])),
    'IncompleteBody',
  );
  await refused(
    t,
    server,
    await send(() => Buffer.from('zz;chunk-signature=1\r\n')),
    'InvalidRequest',
  );
  await refused(t, server, await send(() => Buffer.alloc(10_000, 'a')), 'InvalidRequest');
  await refused(
    t,
    server,
    await send((signer) => Buffer.concat([chunks(signer), Buffer.from('\r\nmore')])),
    'InvalidRequest',
  );
  const { 'x-amz-decoded-content-length': _, ...noLength } = chunked;
  await refused(
    t,
    server,
    await put(server.endpoint, { ...signedChunks, headers: noLength }, chunks),
    'MissingContentLength',
    411,
  );
});

test('a signed trailer carries the checksum, and a wrong one is refused', async (t) => {
  const server = await build(t);
  const send = (body: (signer: ChunkSigner) => Buffer): Promise<RawAnswer> =>
    put(server.endpoint, signedTrailer, body);
  await refused(
    t,
    server,
    await send((signer) =>
      Buffer.concat([chunks(signer), signer.trailer('x-amz-checksum-crc32c:AAAAAA==')]),
    ),
    'BadDigest',
  );
  await refused(
    t,
    server,
    await send((signer) =>
      Buffer.concat([chunks(signer), Buffer.from(`x-amz-checksum-crc32c:${crc32c(data)}\r\n\r\n`)]),
    ),
    'SignatureDoesNotMatch',
    403,
  );
  await refused(
    t,
    server,
    await send((signer) =>
      Buffer.concat([chunks(signer), signer.trailer('x-amz-checksum-sha1:AAAA')]),
    ),
    'MalformedTrailerError',
  );
  const answer = await send((signer) =>
    Buffer.concat([chunks(signer), signer.trailer(`x-amz-checksum-crc32c:${crc32c(data)}`)]),
  );
  t.equal(answer.status, 200);
  t.equal(answer.headers['x-amz-checksum-crc32c'], crc32c(data));
  t.ok(data.equals(await stored(server.client)));
});

test('an unsigned trailer carries the checksum, and a wrong one is refused', async (t) => {
  const server = await build(t);
  const send = (body: Buffer, raw = unsignedTrailer): Promise<RawAnswer> =>
    put(server.endpoint, raw, body);
  const tampered = Buffer.from(data);
  tampered[100_000] = (tampered[100_000] ?? 0) ^ 1;
  await refused(
    t,
    server,
    await send(unsigned(tampered, `x-amz-checksum-crc32c:${crc32c(data)}`)),
    'BadDigest',
  );
  await refused(t, server, await send(unsigned(data, '')), 'MalformedTrailerError');
  await refused(t, server, await send(unsigned(data, 'no colon')), 'MalformedTrailerError');
  await refused(
    t,
    server,
    await send(unsigned(data, 'x-amz-checksum-crc32c:short')),
    'InvalidRequest',
  );
  await refused(
    t,
    server,
    await send(unsigned(data, ''), { ...unsignedTrailer, headers: chunked }),
    'MalformedTrailerError',
  );
  await refused(
    t,
    server,
    await send(unsigned(data, ''), {
      ...unsignedTrailer,
      headers: { ...chunked, 'x-amz-trailer': 'x-other' },
    }),
    'InvalidRequest',
  );
  t.equal((await send(unsigned(data, `x-amz-checksum-crc32c:${crc32c(data)}`))).status, 200);
  t.ok(data.equals(await stored(server.client)));
});

test('Content-MD5 and checksum headers must match the body', async (t) => {
  const server = await build(t);
  const send = (headers: Record<string, string>): Promise<RawAnswer> =>
    put(server.endpoint, { payload: 'UNSIGNED-PAYLOAD', headers }, data);
  await refused(t, server, await send({ 'content-md5': md5(Buffer.from('other')) }), 'BadDigest');
  await refused(t, server, await send({ 'content-md5': 'short' }), 'InvalidDigest');
  await refused(
    t,
    server,
    await send({ 'x-amz-checksum-crc32c': crc32c(Buffer.from('other')) }),
    'BadDigest',
  );
  await refused(t, server, await send({ 'x-amz-checksum-sha256': 'AAAA' }), 'InvalidRequest');
  await refused(
    t,
    server,
    await send({ 'x-amz-checksum-crc32c': crc32c(data), 'x-amz-checksum-crc32': 'AAAAAA==' }),
    'InvalidRequest',
  );
  t.equal(
    (await send({ 'content-md5': md5(data), 'x-amz-checksum-crc32c': crc32c(data) })).status,
    200,
  );
});

test('a body without a length or over 5 GiB is refused', async (t) => {
  const server = await build(t);
  await refused(
    t,
    server,
    await put(
      server.endpoint,
      {
        payload: 'UNSIGNED-PAYLOAD',
        headers: { 'content-length': '5368709121', expect: '100-continue' },
      },
      data,
    ),
    'EntityTooLarge',
  );
  await refused(
    t,
    server,
    await put(
      server.endpoint,
      { payload: 'UNSIGNED-PAYLOAD', headers: { 'transfer-encoding': 'chunked' } },
      data,
    ),
    'NotImplemented',
    501,
  );
});

test('the SDK stores and reads buffers and streams with every checksum algorithm', async (t) => {
  const { endpoint, client } = await build(t);
  for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'SHA1', 'SHA256'] as ChecksumAlgorithm[]) {
    for (const Body of [data, Readable.from([data])]) {
      const answer = await client.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key: 'k',
          Body,
          ContentLength: data.length,
          ChecksumAlgorithm,
        }),
      );
      t.ok(answer[`Checksum${ChecksumAlgorithm}` as 'ChecksumCRC32'], ChecksumAlgorithm);
      t.ok(data.equals(await stored(client)));
    }
  }
  const plain = createClient(t, endpoint, {
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  await plain.send(
    new PutObjectCommand({
      Bucket: bucket,
      Key: 'k',
      Body: Readable.from([data]),
      ContentLength: data.length,
    }),
  );
  t.ok(data.equals(await stored(plain)));
});
