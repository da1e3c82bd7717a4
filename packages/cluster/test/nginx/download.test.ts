import { randomBytes } from 'node:crypto';
import { test } from 'tap';
import { freePort } from '../../src/free-port.ts';
import { gateway, upstream } from './gateway.ts';

const bytes = randomBytes(3 * 1024 * 1024);

/** Answers with the headers of services/file, which are tested there. */
async function fileService(
  t: Parameters<typeof upstream>[0],
  range?: string,
): ReturnType<typeof upstream> {
  return upstream(t, 'file', (_request, response) => {
    response
      .writeHead(200, {
        'x-accel-redirect': '/_s3/bucket/0199-key?X-Amz-Signature=abc%2Fd&X-Amz-Expires=60',
        'content-type': 'text/csv; charset=utf-8',
        'x-accel-content-disposition': "attachment; filename*=UTF-8''a%20b.csv",
        'x-accel-cache-control': 'private, no-cache',
        ...(range !== undefined && { 'x-accel-range': range }),
        'access-control-allow-origin': 'https://app.example',
        'access-control-allow-credentials': 'true',
        'access-control-expose-headers': 'ETag',
        'content-security-policy': "sandbox; default-src 'none'",
        'cross-origin-resource-policy': 'same-site',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'x-request-id': 'of-the-service',
        'last-modified': 'Wed, 21 Oct 2015 07:28:00 GMT',
        etag: '"of-the-row"',
        vary: 'Origin',
      })
      .end();
  });
}

async function storage(
  t: Parameters<typeof upstream>[0],
  status?: number,
): ReturnType<typeof upstream> {
  return upstream(t, 's3', (request, response) => {
    response
      .setHeader('x-amz-request-id', 'r')
      .setHeader('x-amz-id-2', 'i')
      .setHeader('x-amz-meta-sha256', 's')
      .setHeader('server', 'OurS3')
      .setHeader('etag', '"of-s3"');
    response
      .setHeader('content-disposition', 'inline')
      .setHeader('content-type', 'text/html')
      .setHeader('cache-control', 'public')
      .setHeader('set-cookie', 's3=1')
      .setHeader('accept-ranges', 'bytes');
    if (status)
      return void response
        .writeHead(status, { 'content-type': 'application/xml' })
        .end('<Error><BucketName>bucket</BucketName></Error>');
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    if (!range) return void response.setHeader('content-length', bytes.length).end(bytes);
    const [from, to] = [Number(range[1]), Number(range[2])];
    response
      .writeHead(206, {
        'content-range': `bytes ${from}-${to}/${bytes.length}`,
        'content-length': to - from + 1,
      })
      .end(bytes.subarray(from, to + 1));
  });
}

test("a download comes from S3 with the service's headers and none of S3's", async (t) => {
  const [file, s3] = [await fileService(t), await storage(t)];
  const { http } = await gateway(t, { file: [file.port], s3: s3.port });
  const response = await fetch(`${http}/api/files/1`);
  t.equal(response.status, 200);
  t.ok(bytes.equals(Buffer.from(await response.arrayBuffer())));
  const { connection, date, 'x-request-id': id, ...headers } = Object.fromEntries(response.headers);
  t.ok(connection && date && id);
  t.same(headers, {
    server: 'nginx',
    'content-type': 'text/csv; charset=utf-8',
    'content-length': String(bytes.length),
    'content-disposition': "attachment; filename*=UTF-8''a%20b.csv",
    'cache-control': 'private, no-cache',
    'accept-ranges': 'bytes',
    'access-control-allow-origin': 'https://app.example',
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': 'ETag',
    'content-security-policy': "sandbox; default-src 'none'",
    'cross-origin-resource-policy': 'same-site',
    'referrer-policy': 'no-referrer',
    'x-frame-options': 'DENY',
    'last-modified': 'Wed, 21 Oct 2015 07:28:00 GMT',
    etag: '"of-the-row"',
    vary: 'Origin',
    'x-content-type-options': 'nosniff',
  });
});

test('S3 gets the signed host, the presigned query and the range, and nothing else', async (t) => {
  const [file, s3] = [await fileService(t, 'bytes=10-19'), await storage(t)];
  const { http } = await gateway(t, { file: [file.port], s3: s3.port });
  const response = await fetch(`${http}/api/files/1?token=secret`, {
    headers: {
      authorization: 'Bearer secret',
      cookie: 'secure=secret',
      range: 'bytes=-7',
      'if-range': '"of-the-row"',
      'x-amz-secret': 'secret',
      'if-none-match': '"x"',
      traceparent: 'secret',
    },
  });
  t.equal(response.status, 206);
  t.equal(response.headers.get('content-range'), `bytes 10-19/${bytes.length}`);
  t.equal(response.headers.get('x-content-type-options'), 'nosniff');
  t.ok(bytes.subarray(10, 20).equals(Buffer.from(await response.arrayBuffer())));
  t.equal(s3.seen[0]?.url, '/bucket/0199-key?X-Amz-Signature=abc%2Fd&X-Amz-Expires=60');
  t.same(s3.seen[0]?.headers, { host: `127.0.0.1:${s3.port}`, range: 'bytes=10-19' });
  t.equal(response.headers.get('x-accel-range'), null);
});

test('a range that the service did not grant is not sent to S3', async (t) => {
  const [file, s3] = [await fileService(t), await storage(t)];
  const { http } = await gateway(t, { file: [file.port], s3: s3.port });
  const response = await fetch(`${http}/api/files/1`, {
    headers: {
      range: 'bytes=10-19',
      'if-range': 'Wed, 21 Oct 2015 07:28:00 GMT',
      'x-accel-range': 'bytes=1-2',
    },
  });
  t.equal(response.status, 200);
  t.equal((await response.arrayBuffer()).byteLength, bytes.length);
  t.same(s3.seen[0]?.headers, { host: `127.0.0.1:${s3.port}` });
});

for (const [status, answered, code] of [
  [403, 502, 'object_store_error'],
  [400, 502, 'object_store_error'],
  [307, 502, 'object_store_error'],
  [404, 404, 'file_not_found'],
  [416, 416, 'range_not_satisfiable'],
  [500, 503, 'object_store_unavailable'],
  [503, 503, 'object_store_unavailable'],
  [0, 503, 'object_store_unavailable'],
] as const) {
  test(`${status === 0 ? 'no answer' : status} of S3 becomes the problem ${answered} ${code}`, async (t) => {
    const file = await fileService(t);
    const s3 = status === 0 ? await freePort() : (await storage(t, status)).port;
    const { http } = await gateway(t, { file: [file.port], s3 });
    const response = await fetch(`${http}/api/files/1`, { redirect: 'manual' });
    t.equal(response.status, answered);
    t.match(await response.json(), { status: answered, code, request_id: /^[0-9a-f]{32}$/ });
    const {
      connection: _,
      date,
      'content-length': length,
      'x-request-id': id,
      'content-type': type,
      ...headers
    } = Object.fromEntries(response.headers);
    t.ok(date && length && id);
    t.match(type, /^application\/problem\+json(; charset=utf-8)?$/);
    t.same(
      headers,
      {
        server: 'nginx',
        'cache-control': 'no-store',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
        'cross-origin-resource-policy': 'same-site',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        ...(answered === 503 && { 'retry-after': '1' }),
      },
      'nothing of the file',
    );
  });
}

test('no client path and no unsafe answer of the file service reaches the storage', async (t) => {
  const [file, s3] = [await fileService(t), await storage(t)];
  const { http } = await gateway(t, { file: [file.port], s3: s3.port });
  t.equal((await fetch(`${http}/_s3/bucket/key`)).status, 404);
  for (const [method, path] of [
    ['POST', '/api/files'],
    ['PATCH', '/api/files/1'],
    ['DELETE', '/api/files/1'],
    ['POST', '/api/uploads'],
    ['GET', '/api/files'],
  ]) {
    const response = await fetch(http + path, { method: method! });
    t.equal(await response.text(), '', `${method} ${path}`);
  }
  t.same(s3.seen, []);
});

test("an upstream that fails leaves neither a presigned URL nor a client's address in the error log", async (t) => {
  const file = await fileService(t);
  const { http, errorLog } = await gateway(t, { file: [file.port] });
  t.equal((await fetch(`${http}/api/files/1`)).status, 503);
  t.equal((await fetch(`${http}/api/users/me?token=secret`)).status, 502);
  t.notMatch(errorLog(), /X-Amz-Signature|client:|secret/);
});
