import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { timeBound } from '@muniment/testing';
import { freePort } from '../../src/free-port.ts';
import { gateway, upstream } from './gateway.ts';

// An upstream that executes a request and dies before its answer. A retry would execute it twice.
async function dying(t: Parameters<typeof upstream>[0]): ReturnType<typeof upstream> {
  return upstream(t, 'dying', (request) =>
    request.resume().on('end', () => request.socket.destroy()),
  );
}

test('GET and HEAD are retried after a refusal and after a death in the answer', async (t) => {
  const alive = await upstream(t, 'alive');
  const bad = await dying(t);
  const { http } = await gateway(t, { user: [await freePort(), bad.port, alive.port] });
  for (let n = 0; n < 30; n++) {
    const response = await fetch(`${http}/api/users/me`, { method: n % 2 === 0 ? 'GET' : 'HEAD' });
    t.equal(response.status, 200);
    await response.text();
    if (n % 10 === 9) await sleep(1100); // the ejected ones are tried again
  }
  t.ok(bad.seen.length > 0, 'the dying one was asked');
});

for (const [method, path] of [
  ['POST', '/api/users/register'],
  ['PUT', '/api/users/1'],
  ['PATCH', '/api/users/1'],
  ['DELETE', '/api/users/1'],
  ['POST', '/api/files'],
  ['DELETE', '/api/files/1'],
  ['PATCH', '/api/uploads/1'],
  ['POST', '/api/audit/viewer-tokens'],
  ['PROPFIND', '/api/users/1'],
] as const) {
  test(`${method} ${path} that may have taken effect is answered 502 and never sent again`, async (t) => {
    const replicas = [await dying(t), await dying(t), await dying(t)];
    const ports = replicas.map(({ port }) => port);
    const { http } = await gateway(t, { user: ports, file: ports, audit: ports });
    const body = method === 'DELETE' ? {} : { body: '{"n":1}' };
    const response = await fetch(http + path, { method, ...body });
    t.equal(response.status, 502);
    t.match(await response.json(), { status: 502, code: 'bad_gateway' });
    t.equal(response.headers.get('retry-after'), '1');
    t.equal(replicas.flatMap(({ seen }) => seen).length, 1, 'one replica saw it, once');
  });

  test(`${method} ${path} moves on from replicas that refuse the connection, body and all`, async (t) => {
    const alive = await upstream(t, 'alive');
    const ports = [await freePort(), await freePort(), alive.port];
    const { http } = await gateway(t, { user: ports, file: ports, audit: ports });
    const body =
      method === 'DELETE'
        ? ''
        : JSON.stringify({
            long: 'x'.repeat(method === 'POST' && path === '/api/files' ? 900_000 : 100_000),
          });
    for (let n = 0; n < 2; n++) {
      const response = await fetch(http + path, { method, ...(body === '' ? {} : { body }) });
      t.equal(response.status, 200);
      await response.text();
      t.equal(alive.seen.at(-1)?.method, method);
      t.equal(Number(alive.seen.at(-1)?.headers['content-length'] ?? 0), body.length);
    }
    t.equal(alive.seen.length, 2);
  });
}

test("a customer's events, idempotent by their ids, move on from a replica that dies while answering, body and all", async (t) => {
  const alive = await upstream(t, 'alive');
  const { http } = await gateway(t, {
    audit: [(await dying(t)).port, (await dying(t)).port, alive.port],
  });
  const body = JSON.stringify({ events: 'x'.repeat(250_000) });
  const response = await fetch(`${http}/api/audit/events`, { method: 'POST', body });
  t.equal(response.status, 200);
  await response.text();
  t.equal(Number(alive.seen.at(-1)?.headers['content-length']), body.length);
});

test('a large batch of events is not held back for a second attempt', async (t) => {
  const replicas = [await dying(t), await dying(t)];
  const { http } = await gateway(t, { audit: replicas.map(({ port }) => port) });
  const body = JSON.stringify({ events: 'x'.repeat(8 * 1024 * 1024) });
  const response = await fetch(`${http}/api/audit/events`, { method: 'POST', body });
  t.match(await response.json(), { status: 502, code: 'bad_gateway' });
  t.equal(replicas.flatMap(({ seen }) => seen).length, 1);
});

test('a replica that hangs costs a GET one read time-out and is then avoided', async (t) => {
  const hanging = await upstream(t, 'hanging', () => {});
  const alive = await upstream(t, 'alive');
  const { http } = await gateway(t, { user: [hanging.port, alive.port] });
  const started = performance.now();
  const responses = await Promise.all(
    Array.from({ length: 8 }, () => fetch(`${http}/api/users/me`)),
  );
  t.same(
    responses.map(({ status }) => status),
    Array(8).fill(200),
  );
  t.ok(performance.now() - started < timeBound(7_000, 15_000));
  const after = performance.now();
  for (let n = 0; n < 4; n++) t.equal((await fetch(`${http}/api/users/me`)).status, 200);
  t.ok(performance.now() - after < timeBound(500, 2_500), 'left out at once');
});

test('a 503 passes unchanged and no replica is avoided for it', async (t) => {
  const down = await upstream(t, 'down', (_request, response) =>
    response
      .writeHead(503, { 'content-type': 'application/problem+json' })
      .end('{"code":"database_unavailable"}'),
  );
  const { http } = await gateway(t, { user: [down.port, down.port] });
  for (let n = 0; n < 6; n++)
    t.same(await (await fetch(`${http}/api/users/me`)).json(), { code: 'database_unavailable' });
});
