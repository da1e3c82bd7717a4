import { HeadBucketCommand, ListBucketsCommand } from '@aws-sdk/client-s3';
import { test } from 'tap';
import { decodeChunks } from '../../../src/s3/protocol/chunked-body.ts';
import { S3Error } from '../../../src/s3/protocol/errors.ts';
import { authorize, type Authorization } from '../../../src/s3/protocol/signature.ts';
import type { SignedRequest } from '../../../src/s3/protocol/signature-claim.ts';
import { bucket, build, createClient, credentials, failureOf } from '../s3-server.ts';
import { put, sendRequest, sha256, signRequest } from '../sign-request.ts';

// Examples of the S3 API Reference, "Authenticating Requests (AWS Signature Version 4)".
const example = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const exampleTime = Date.parse('2013-05-24T00:00:00Z');
const emptyBody = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

function exampleRequest(
  method: string,
  path: string,
  query: [string, string][],
  headers: Record<string, string>,
  signedHeaders: string,
  signature: string,
): SignedRequest {
  const scope = `${example.accessKeyId}/20130524/us-east-1/s3/aws4_request`;
  const authorization =
    `AWS4-HMAC-SHA256 Credential=${scope},` +
    `SignedHeaders=${signedHeaders},Signature=${signature}`;
  const all = {
    host: 'examplebucket.s3.amazonaws.com',
    'x-amz-date': '20130524T000000Z',
    ...headers,
    authorization,
  };
  return {
    method,
    path,
    query,
    headers: Object.fromEntries(Object.entries(all).map(([name, value]) => [name, [value]])),
  };
}

const chunkedExample = exampleRequest(
  'PUT',
  '/examplebucket/chunkObject.txt',
  [],
  {
    host: 's3.amazonaws.com',
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    'content-encoding': 'aws-chunked',
    'content-length': '66824',
    'x-amz-decoded-content-length': '66560',
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
  },
  'content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class',
  '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
);

test('the worked examples of the API reference verify', (t) => {
  const examples: SignedRequest[] = [
    exampleRequest(
      'GET',
      '/test.txt',
      [],
      { range: 'bytes=0-9', 'x-amz-content-sha256': emptyBody },
      'host;range;x-amz-content-sha256;x-amz-date',
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    ),
    exampleRequest(
      'GET',
      '/',
      [['lifecycle', '']],
      { 'x-amz-content-sha256': emptyBody },
      'host;x-amz-content-sha256;x-amz-date',
      'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    ),
    exampleRequest(
      'GET',
      '/',
      [
        ['max-keys', '2'],
        ['prefix', 'J'],
      ],
      { 'x-amz-content-sha256': emptyBody },
      'host;x-amz-content-sha256;x-amz-date',
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    ),
    chunkedExample,
  ];
  for (const request of examples) {
    t.doesNotThrow(() => authorize(request, example, { now: exampleTime }));
    t.throws(
      () => authorize({ ...request, path: `${request.path}x` }, example, { now: exampleTime }),
      { code: 'SignatureDoesNotMatch' },
    );
  }
  const presigned: SignedRequest = {
    method: 'GET',
    path: '/test.txt',
    headers: { host: ['examplebucket.s3.amazonaws.com'] },
    query: [
      ['X-Amz-Algorithm', 'AWS4-HMAC-SHA256'],
      ['X-Amz-Credential', `${example.accessKeyId}/20130524/us-east-1/s3/aws4_request`],
      ['X-Amz-Date', '20130524T000000Z'],
      ['X-Amz-Expires', '86400'],
      ['X-Amz-SignedHeaders', 'host'],
      ['X-Amz-Signature', 'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404'],
    ],
  };
  t.doesNotThrow(() => authorize(presigned, example, { now: exampleTime + 86_400_000 }));
  t.throws(() => authorize(presigned, example, { now: exampleTime + 86_401_000 }), {
    code: 'AccessDenied',
    message: 'Request has expired',
  });
  t.end();
});

test('the worked example of signed chunks decodes, and not with a changed byte', async (t) => {
  const authorization = authorize(chunkedExample, example, { now: exampleTime });
  const body = (letter: string): Buffer =>
    Buffer.from(
      `10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n${'a'.repeat(65536)}\r\n` +
        `400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n${letter.repeat(1024)}\r\n` +
        '0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n',
    );
  for (const step of [1, 7, 1000, 100_000]) {
    t.equal(
      await decoded(cut(body('a'), step), authorization),
      'a'.repeat(66560),
      `${step} bytes at a time`,
    );
  }
  await t.rejects(decoded(cut(body('b'), 5000), authorization), { code: 'SignatureDoesNotMatch' });
});

test('trailing headers are signed as the AWS common runtime signs them', (t) => {
  const authorization = authorize(chunkedExample, example, { now: exampleTime });
  t.equal(
    authorization.sign(
      'TRAILER',
      'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
      sha256('first:1st\nsecond:2nd\nthird:3rd\n'),
    ),
    'df5735bd9f3295cd9386572292562fefc93ba94e80a0a1ddcbd652c4e0a75e6c',
  );
  t.end();
});

test('a wrong secret, an unknown key and an anonymous request have their own codes', async (t) => {
  const { endpoint } = await build(t);
  const as = async (more: object): Promise<object> =>
    failureOf(
      createClient(t, endpoint, { credentials: { ...credentials, ...more } }).send(
        new ListBucketsCommand({}),
      ),
    );
  t.same(await as({ secretAccessKey: 'wrong' }), { code: 'SignatureDoesNotMatch', status: 403 });
  t.same(await as({ accessKeyId: 'nobody' }), { code: 'InvalidAccessKeyId', status: 403 });
  t.equal((await fetch(`${endpoint}/`)).status, 403);
  const anonymous = createClient(t, endpoint, { signer: { sign: async (request) => request } });
  t.same(await failureOf(anonymous.send(new ListBucketsCommand({}))), {
    code: 'AccessDenied',
    status: 403,
  });
  t.equal((await failureOf(anonymous.send(new HeadBucketCommand({ Bucket: bucket })))).status, 403);
});

test('a clock more than 15 minutes off is RequestTimeTooSkewed', async (t) => {
  const { endpoint } = await build(t);
  const at = async (minutes: number): Promise<string> =>
    (
      await put(
        endpoint,
        { payload: 'UNSIGNED-PAYLOAD', date: new Date(Date.now() + minutes * 60_000) },
        Buffer.from('x'),
      )
    ).code;
  t.equal(await at(-14), '');
  t.equal(await at(14), '');
  t.equal(await at(-16), 'RequestTimeTooSkewed');
  t.equal(await at(16), 'RequestTimeTooSkewed');
});

test('malformed credentials and headers outside the signature are refused', async (t) => {
  const { endpoint } = await build(t);
  const raw = { payload: 'UNSIGNED-PAYLOAD' };
  const send = async (change: (headers: Record<string, string>) => void): Promise<string> => {
    const { headers } = signRequest(endpoint, raw);
    change(headers);
    const { status, code } = await sendRequest(
      endpoint,
      raw,
      { ...headers, 'content-length': '1' },
      Buffer.from('x'),
    );
    return `${status} ${code}`;
  };
  const replace =
    (from: string | RegExp, to: string) =>
    (headers: Record<string, string>): void => {
      headers['authorization'] = (headers['authorization'] ?? '').replace(from, to);
    };
  t.equal(await send(() => {}), '200 ');
  t.equal(
    await send((headers) => {
      headers['x-amz-copy-source'] = '/a/b';
    }),
    '403 AccessDenied',
  );
  t.equal(await send(replace('/s3/', '/ec2/')), '400 AuthorizationHeaderMalformed');
  t.equal(await send(replace(/\/\d{8}\//, '/20130524/')), '400 AuthorizationHeaderMalformed');
  t.equal(await send(replace(/Signature=.*/, '')), '400 AuthorizationHeaderMalformed');
  t.equal(await send(replace(/Signature=.*/, 'Signature=ü')), '403 SignatureDoesNotMatch');
  t.equal(await send(replace('AWS4-HMAC-SHA256', 'AWS')), '400 InvalidRequest');
  t.equal(
    await send((headers) => {
      delete headers['x-amz-content-sha256'];
    }),
    '400 InvalidRequest',
  );
  t.equal(
    await send((headers) => {
      headers['x-amz-date'] = 'today';
    }),
    '400 AuthorizationHeaderMalformed',
  );
});

async function decoded(source: AsyncIterable<Buffer>, signing: Authorization): Promise<string> {
  let text = '';
  for await (const chunk of decodeChunks(source, {
    signing,
    trailing: false,
    onTrailer: () => {
      throw new S3Error('InternalError');
    },
  }))
    text += chunk.toString();
  return text;
}

async function* cut(bytes: Buffer, step: number): AsyncGenerator<Buffer> {
  for (let i = 0; i < bytes.length; i += step) yield bytes.subarray(i, i + step);
}
