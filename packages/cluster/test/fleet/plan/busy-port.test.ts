import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import path from 'node:path';
import { test } from 'tap';
import { isFree, requireFree } from '../../../src/fleet/plan/busy-port.ts';
import { freePort } from '../../../src/free-port.ts';

const GATEWAY = { what: 'the gateway', howToChange: 'make up PORT=...' };

test('a free port is accepted', async (t) => {
  const port = await freePort();
  t.ok(await isFree(port));
  await t.resolves(requireFree(port, GATEWAY));
});

test('a busy port is an error that names port, holder and remedy', async (t) => {
  const port = await freePort();
  const holder = spawn(
    process.execPath,
    ['-e', `require('net').createServer().listen(${port}, '127.0.0.1', () => console.log('up'))`],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  t.teardown(() => holder.kill());
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  await t.rejects(requireFree(port, GATEWAY), {
    name: 'FleetError',
    message: new RegExp(
      `^Port ${port} \\(the gateway\\) is taken by process ${holder.pid} \\(.*node.* -e require.*make up PORT=\\.\\.\\.$`,
    ),
  });
});

test(
  'an ordinary user is told how to find the holder of another user',
  process.getuid?.() === 0 ? {} : { skip: 'needs root for a second user' },
  async (t) => {
    const port = await freePort();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    t.teardown(() => server.close());
    // Loaded as root, since the checkout may be closed to others.
    const script = `import { requireFree } from ${JSON.stringify(path.join(import.meta.dirname, '../../../src/fleet/plan/busy-port.ts'))};
    process.setegid(65534); process.seteuid(65534);
    await requireFree(${port}, ${JSON.stringify(GATEWAY)}).catch((error) => console.log(error.message));`;
    const asked = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    asked.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await new Promise((resolve) => asked.once('close', resolve));
    t.match(
      said,
      new RegExp(
        `^Port ${port} \\(the gateway\\) is taken by a process of another user ` +
          '\\(find it with: sudo ss -ltnp\\). Stop it or choose another port: make up PORT',
      ),
    );
  },
);

test('a listener on every address or on IPv6 alone counts as well', async (t) => {
  for (const host of ['0.0.0.0', '::1', '::']) {
    const port = await freePort();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, host, resolve));
    t.notOk(await isFree(port), host);
    await new Promise((resolve) => server.close(resolve));
    t.ok(await isFree(port), `${host} closed`);
  }
});

test('a port of the fleet that will be stopped counts as free, unless others hold it too', async (t) => {
  const port = await freePort();
  const holder = spawn(
    process.execPath,
    ['-e', `require('net').createServer().listen(${port}, '127.0.0.1', () => console.log('up'))`],
    { stdio: ['ignore', 'pipe', 'inherit'], detached: true },
  );
  t.teardown(() => holder.kill());
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  const fleet = new Set([holder.pid ?? 0]);
  t.ok(await isFree(port, fleet));
  t.notOk(await isFree(port, new Set([process.pid])));
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '::1', resolve));
  t.teardown(() => server.close());
  t.notOk(await isFree(port, fleet));
});

test('a port at which nothing listens, but that cannot be had, is not free', async (t) => {
  const server = createServer((socket) => socket.resume());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const client = connect(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1');
  t.teardown(() => {
    client.destroy();
    server.close();
  });
  await once(client, 'connect');
  // The own port of an outgoing connection, as any program may have.
  const port = client.localPort ?? 0;
  t.notOk(await isFree(port));
  await t.rejects(requireFree(port, GATEWAY), {
    message: /is taken by an unknown process, or this user may not use it\. .* make up PORT/,
  });
});
