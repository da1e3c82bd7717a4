import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { test } from 'tap';
import { gateway, raw, upstream } from './gateway.ts';

async function problem(response: Response): Promise<unknown> {
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    cache: response.headers.get('cache-control'),
    body: await response.json(),
  };
}

function expected(status: number, code: string): object {
  return {
    status,
    type: 'application/problem+json',
    cache: 'no-store',
    body: {
      type: `https://muniment.dev/problems/${code}`,
      status,
      code,
      request_id: /^[0-9a-f]{32}$/,
    },
  };
}

test('every refusal by the gateway is a problem with a code', async (t) => {
  const service = await upstream(t, 'service');
  const { http, port, tlsPort } = await gateway(t, {
    file: [service.port],
    audit: [service.port],
    uploadMaxBytes: 1024 * 1024,
  });
  t.match(await problem(await fetch(`${http}/nothing`)), expected(404, 'not_found'));
  t.match(
    await problem(await fetch(`${http}/api/users/me`)),
    expected(502, 'bad_gateway'),
    'no user service',
  );
  t.match(
    await problem(await fetch(`${http}/login`, { method: 'POST', body: '{}' })),
    expected(502, 'bad_gateway'),
  );
  t.match(
    await problem(
      await fetch(`${http}/api/audit/erasures`, { method: 'POST', body: 'x'.repeat(300_000) }),
    ),
    expected(413, 'body_too_large'),
  );
  t.match(
    await problem(
      await fetch(`${http}/api/audit/events`, { method: 'POST', body: 'x'.repeat(10_000_000) }),
    ),
    expected(413, 'body_too_large'),
  );
  t.match(
    await problem(await fetch(`${http}/api/audit/logs?${'x'.repeat(20_000)}`)),
    expected(414, 'uri_too_long'),
  );
  t.match(
    await problem(
      await fetch(`${http}/api/audit/logs`, { headers: { 'x-long': 'x'.repeat(20_000) } }),
    ),
    expected(431, 'headers_too_large'),
  );

  for (const [bytes, status, code] of [
    ['GET / HTTP/1.1\r\n\r\n', 400, 'malformed_request'],
    ['GARBAGE\r\n\r\n', 400, 'malformed_request'],
    [
      'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
      'malformed_request',
    ],
    ['GET / HTTP/3.0\r\nHost: a\r\n\r\n', 505, 'http_version_not_supported'],
    ['TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 405, 'method_not_allowed'],
    [
      'POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\n',
      501,
      'not_implemented',
    ],
  ] as const) {
    const answer = await raw(port, bytes);
    t.match(
      answer,
      new RegExp(
        `^HTTP/1.1 ${status} [^]*Content-Type: application/problem\\+json[^]*"status":${status},[^]*"code":"${code}"`,
      ),
      JSON.stringify(bytes),
    );
  }
  t.match(
    await raw(tlsPort, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
    /^HTTP\/1.1 400 [^]*"code":"tls_required"/,
  );
  t.same(service.seen, []);
});

test('a method that the gateway itself refuses is answered by those that there are', async (t) => {
  const { port } = await gateway(t, {});
  for (const [path, allow] of [
    ['/', 'GET, HEAD'],
    ['/reset-password', 'GET, HEAD'],
    ['/api/users/me', 'GET, HEAD, POST, PATCH, PUT, DELETE, OPTIONS'],
    ['/users/me?x=/docs/', 'GET, HEAD, POST, PATCH, PUT, DELETE, OPTIONS'],
  ] as const) {
    const text = `TRACE ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
    const answer = await raw(port, text);
    t.match(answer, /^HTTP\/1\.1 405 /, path);
    t.strictSame(answer.match(/^Allow: .*$/gm), [`Allow: ${allow}`], path);
  }
});

test('a file within the limit passes, one over it is a 413 problem, chunked or not', async (t) => {
  let hash = '';
  const file = await upstream(t, 'file', (request, response) => {
    const digest = createHash('sha256');
    request
      .on('data', (chunk: Buffer) => digest.update(chunk))
      .on('end', () => {
        hash = digest.digest('hex');
        response.end('{}');
      });
  });
  const { http } = await gateway(t, { file: [file.port], uploadMaxBytes: 1024 * 1024 });
  const body = Buffer.alloc(1.5 * 1024 * 1024, 'muniment');
  t.equal((await fetch(`${http}/api/files`, { method: 'POST', body })).status, 200);
  t.equal(hash, createHash('sha256').update(body).digest('hex'));

  const large = Buffer.alloc(2 * 1024 * 1024 + 1);
  t.match(
    await problem(await fetch(`${http}/api/files`, { method: 'POST', body: large })),
    expected(413, 'file_too_large'),
  );
  const stream = new ReadableStream({
    start: (controller) => (controller.enqueue(large), controller.close()),
  });
  const chunked = await fetch(`${http}/api/files`, {
    method: 'POST',
    body: stream,
    duplex: 'half',
  });
  t.match(await problem(chunked), expected(413, 'file_too_large'));
  t.equal(
    (await fetch(`${http}/api/uploads/1`, { method: 'PATCH', body: large })).status,
    200,
    'resumable uploads are bounded by the service',
  );
});

test('an upload reaches the service while it is still being sent', async (t) => {
  let arrived: (() => void) | undefined;
  const first = new Promise<void>((resolve) => (arrived = resolve));
  const file = await upstream(t, 'file', (request, response) => {
    request.once('data', () => arrived?.()).on('error', () => {});
    request.on('end', () => response.end());
  });
  const { port } = await gateway(t, { file: [file.port] });
  const socket = connect(port, '127.0.0.1');
  socket.write('POST /api/files HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nfirst bytes');
  await first;
  t.pass('not held back until the body is whole');
  socket.destroy();
});

test('limits answer a 429 problem with Retry-After, sooner for credentials', async (t) => {
  const user = await upstream(t, 'user');
  const limited = await gateway(t, { user: [user.port], limits: true });
  const statuses = async (
    url: string,
    init: RequestInit,
    count: number,
  ): Promise<Map<number, number>> => {
    const counts = new Map<number, number>();
    for (let sent = 0; sent < count; sent += 50) {
      const answers = await Promise.all(
        Array.from({ length: 50 }, async () => {
          const response = await fetch(url, init);
          if (response.status === 429)
            t.match(
              {
                type: response.headers.get('content-type'),
                retry: response.headers.get('retry-after'),
                body: await response.json(),
              },
              { type: 'application/problem+json', retry: '1', body: { code: 'rate_limited' } },
            );
          else await response.text();
          return response.status;
        }),
      );
      for (const status of answers) counts.set(status, (counts.get(status) ?? 0) + 1);
    }
    return counts;
  };
  const logins = await statuses(`${limited.http}/login`, { method: 'POST', body: '{}' }, 300);
  t.ok(
    (logins.get(200) ?? 0) >= 100 && (logins.get(429) ?? 0) >= 50,
    `logins: ${JSON.stringify([...logins])}`,
  );
  t.same([...(await statuses(`${limited.http}/health`, {}, 200)).keys()], [200], 'reading goes on');

  const open = await gateway(t, { user: [user.port], limits: false });
  t.same(
    [...(await statuses(`${open.http}/login`, { method: 'POST', body: '{}' }, 300))],
    [[200, 300]],
  );
});

test('a large upload without a file service gets the problem', async (t) => {
  const { http } = await gateway(t, { uploadMaxBytes: 2 * 1024 * 1024 });
  t.match(
    await problem(
      await fetch(`${http}/api/files`, { method: 'POST', body: Buffer.alloc(1024 * 1024) }),
    ),
    expected(502, 'bad_gateway'),
  );
});
