import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { test } from 'tap';
import { gateway, upstream } from './gateway.ts';
import { silentPort } from './silent-address.ts';

const REQUESTS = 4;

for (const [method, path, bytes] of [
  ['GET', '/api/users/me', 0],
  ['HEAD', '/api/files/1', 0],
  ['POST', '/api/users/register', 100_000],
  ['PUT', '/api/users/1', 100_000],
  ['PATCH', '/api/users/1', 100_000],
  ['DELETE', '/api/files/1', 0],
  ['POST', '/api/audit/events', 100_000],
  ['POST', '/api/audit/events', 1_000_000],
  ['POST', '/api/files', 900_000],
  ['POST', '/api/uploads', 0],
  ['PATCH', '/api/uploads/1', 900_000],
] as const) {
  test(`${method} ${path} with ${bytes} bytes moves on from a vanished replica`, async (t) => {
    const alive = await upstream(t, 'alive');
    const ports = [await silentPort(t), alive.port];
    const { http } = await gateway(t, { user: ports, file: ports, audit: ports });
    const body = bytes === 0 ? {} : { body: 'x'.repeat(bytes) };
    const answers = await Promise.all(
      Array.from({ length: REQUESTS }, () => fetch(http + path, { method, ...body })),
    );
    t.same(
      answers.map(({ status }) => status),
      Array(REQUESTS).fill(200),
    );
    await Promise.all(answers.map((answer) => answer.text()));
    t.same(
      alive.seen.map(({ headers }) => Number(headers['content-length'] ?? 0)),
      Array(REQUESTS).fill(bytes),
      'each arrived once',
    );
  });
}

test('a WebSocket handshake moves on from a vanished replica', async (t) => {
  const alive = await upstream(t, 'alive');
  const { port } = await gateway(t, { user: [await silentPort(t), alive.port] });
  const shake = async (): Promise<number | undefined> => {
    const sent = request({
      port,
      path: '/ws',
      headers: { connection: 'Upgrade', upgrade: 'websocket' },
    });
    sent.end();
    // The upstream of this test knows no WebSockets and answers as to any GET.
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    answer.resume();
    return answer.statusCode;
  };
  t.same(await Promise.all(Array.from({ length: REQUESTS }, shake)), Array(REQUESTS).fill(200));
});

for (const [method, path] of [
  ['GET', '/api/users/me'],
  ['PATCH', '/api/users/1'],
  ['POST', '/api/files'],
] as const) {
  test(`${method} ${path} is answered 504 where all replicas have vanished`, async (t) => {
    const ports = [await silentPort(t)];
    const { http } = await gateway(t, { user: ports, file: ports });
    const body = method === 'GET' ? {} : { body: 'x' };
    const answer = await fetch(http + path, { method, ...body });
    t.equal(answer.status, 504);
    t.match(await answer.json(), { status: 504, code: 'gateway_timeout' });
    t.equal(answer.headers.get('retry-after'), '1');
  });
}
