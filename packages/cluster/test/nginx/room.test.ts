import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type Test } from 'tap';
import { until } from '@muniment/testing';
import { freePort } from '../../src/free-port.ts';
import { ensureNginx } from '../../src/nginx/ensure-nginx.ts';
import { gateway, upstream, type Gateway } from './gateway.ts';

/** The ids of nginx's workers. It accepts connections before it has written its own. */
function workersOf({ dir }: Gateway): string[] | undefined {
  const file = path.join(dir, 'nginx.pid');
  const master = existsSync(file) && readFileSync(file, 'utf8').trim();
  if (!master) return undefined;
  const children = readFileSync(`/proc/${master}/task/${master}/children`, 'utf8').trim();
  return children === '' ? undefined : children.split(' ');
}

/** Resident memory of nginx's workers, in MiB. */
async function workersMemory(served: Gateway): Promise<number> {
  const workers = await until(() => workersOf(served), { what: 'nginx has workers' });
  const sizes = workers.map(
    (pid) => /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1],
  );
  return sizes.reduce((sum, size) => sum + Number(size), 0) / 1024;
}

interface HalfSent {
  socket: Socket;
  /** The status, once there is one. */
  status: string | undefined;
}

/** Sends a head and some bytes of a body that never ends. */
function halfSend(t: Test, port: number, { head, bytes }: { head: string; bytes: number }) {
  const half: HalfSent = { socket: connect(port, '127.0.0.1'), status: undefined };
  const { socket } = half;
  t.teardown(() => socket.destroy());
  socket.on('error', () => {});
  socket.once('data', (data) => {
    half.status = data.toString('latin1').slice(9, 12);
  });
  socket.write(head);
  socket.write(Buffer.alloc(bytes, 'x'));
  return half;
}

const refusing = (t: Test) =>
  upstream(t, 'audit', (request, response) => {
    request.resume();
    response.writeHead(401, { 'content-type': 'application/problem+json' }).end('{}');
  });

for (const [name, length] of [
  ['a length', 'Content-Length: 8900000\r\n\r\n'],
  ['chunks', 'Transfer-Encoding: chunked\r\n\r\n7a1200\r\n'],
] as const) {
  test(`80 half-sent batches by ${name} get the service's refusal and no memory`, async (t) => {
    const served = await gateway(t, { audit: [(await refusing(t)).port] });
    const before = await workersMemory(served);
    const head = `POST /api/audit/events HTTP/1.1\r\nHost: a\r\n${length}`;
    const halves = Array.from({ length: 80 }, () =>
      halfSend(t, served.port, { head, bytes: 4_000_000 }),
    );
    await until(() => halves.every(({ status }) => status !== undefined), { timeoutMs: 10_000 });
    t.same([...new Set(halves.map(({ status }) => status))], ['401']);
    const grown = (await workersMemory(served)) - before;
    t.ok(grown < 60, `the workers grew by ${grown.toFixed()} MiB`);
  });
}

test('a network has 64 half-sent bodies at most, and others are served meanwhile', async (t) => {
  const user = await upstream(t, 'user');
  const served = await gateway(t, { user: [user.port], limits: true });
  const head = 'POST /api/users/me HTTP/1.1\r\nHost: a\r\nContent-Length: 250000\r\n\r\n';
  const halves = Array.from({ length: 100 }, () =>
    halfSend(t, served.port, { head, bytes: 200_000 }),
  );
  const refused = () => halves.filter(({ status }) => status === '429').length;
  await until(() => refused() === 36, { timeoutMs: 10_000 });
  t.equal((await fetch(`${served.http}/api/users/me`)).status, 200, 'a request without a body');
  for (const { socket } of halves) socket.destroy();
  await until(
    async () =>
      (await fetch(`${served.http}/api/users/me`, { method: 'POST', body: '{}' })).status === 200,
  );
});

for (const url of [
  '/api/vendor-profiles',
  '/vendor-profiles/x/files',
  '/api/users/import',
  '/api/files',
  '/api/uploads/x',
])
  test(`no body that ${url} does not stream comes to the disk`, async (t) => {
    const [user, file] = [await upstream(t, 'user'), await upstream(t, 'file')];
    const served = await gateway(t, { user: [user.port], file: [file.port] });
    for (const method of ['GET', 'PUT'])
      for (const framing of ['Content-Length: 1000000', 'Transfer-Encoding: chunked']) {
        const head = `${method} ${url} HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`;
        const half = halfSend(t, served.port, { head, bytes: 0 });
        half.socket.write(framing.endsWith('chunked') ? 'f4240\r\n' : '');
        half.socket.write(Buffer.alloc(900_000, 'x'));
        await until(() => half.status, { what: `${method} ${framing}`, timeoutMs: 5_000 });
        t.equal(half.status, '413', `${method} ${framing}`);
      }
    t.equal((await fetch(served.http + url)).status, 200, 'without a body it is answered');
  });

test('ab -n 1000 on /health works twice in a row, and leaves other requests alone', async (t) => {
  const user = await upstream(t, 'user');
  const { http } = await gateway(t, { user: [user.port], limits: true });
  const counts = new Map<number, number>();
  for (let sent = 0; sent < 2_000; sent += 50) {
    const batch = Array.from({ length: 50 }, async () => {
      const response = await fetch(`${http}/health`);
      await response.text();
      counts.set(response.status, (counts.get(response.status) ?? 0) + 1);
    });
    await Promise.all(batch);
  }
  t.same([...counts], [[200, 2_000]]);
  t.equal((await fetch(`${http}/api/users/me`)).status, 200);
});

/** An nginx that answers which network it takes an address for. */
async function startNetworks(t: Test): Promise<(address: string) => Promise<string>> {
  const template = readFileSync(
    path.join(import.meta.dirname, '../../../../nginx/nginx.conf.template'),
    'utf8',
  );
  const map = /map \$remote_addr \$network \{[^}]*\}/.exec(template)?.[0] ?? '';
  const dir = mkdtempSync(path.join(tmpdir(), 'muniment-nginx-'));
  const port = await freePort();
  mkdirSync(path.join(dir, 'tmp'));
  const asked = map
    .replace('map $remote_addr', 'map $http_address')
    .replaceAll('$remote_addr', '$http_address')
    .replace('$binary_remote_addr', '$http_address');
  writeFileSync(
    path.join(dir, 'nginx.conf'),
    `daemon off; pid ${dir}/nginx.pid; error_log stderr crit; events { }
     http { access_log off; client_body_temp_path ${dir}/tmp/a; proxy_temp_path ${dir}/tmp/b;
       fastcgi_temp_path ${dir}/tmp/c; uwsgi_temp_path ${dir}/tmp/d; scgi_temp_path ${dir}/tmp/e;
       ${asked}
       server { listen 127.0.0.1:${port}; location / { return 200 $network; } } }`,
  );
  const child = spawn(await ensureNginx(() => {}), ['-c', path.join(dir, 'nginx.conf')], {
    stdio: 'inherit',
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  t.teardown(async () => {
    child.kill('SIGTERM');
    await exited;
    rmSync(dir, { recursive: true, force: true });
  });
  const networkOf = async (address: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port}/`, { headers: { address } })).text();
  await until(() =>
    networkOf('::1').then(
      () => true,
      () => false,
    ),
  );
  return networkOf;
}

test('a network is an IPv4 address or the /64 of an IPv6 address', async (t) => {
  const networkOf = await startNetworks(t);
  for (const [one, other] of [
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2:ffff::1'],
    ['2001:db8:1:2::1', '2001:db8:1:2:9::'],
    ['2001:db8::1', '2001:db8::2:3'],
    ['fe80::1', 'fe80::a:b:c:d'],
  ] as const)
    t.equal(await networkOf(one), await networkOf(other), `${one} and ${other}`);
  for (const [one, other] of [
    ['2001:db8:1:2::1', '2001:db8:1:3::1'],
    ['2001:db8::1', '2001:db9::1'],
    ['192.0.2.1', '192.0.2.2'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.2'],
    ['::1', '2001:db8::1'],
  ] as const)
    t.not(await networkOf(one), await networkOf(other), `${one} and ${other}`);
});
