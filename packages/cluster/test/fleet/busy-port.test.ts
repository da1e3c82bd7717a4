import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { test } from 'tap';
import { isFree, requireFree } from '../../src/fleet/busy-port.ts';
import { freePort } from '../../src/free-port.ts';

test('a free port is let through', async (t) => {
  const port = await freePort();
  t.ok(await isFree(port));
  await t.resolves(requireFree(port, 'the gateway', 'PORT=...'));
});

test('a busy port is an error that names the port, the process that holds it, and the way out', async (t) => {
  const port = await freePort();
  const holder = spawn(process.execPath, ['-e', `require('net').createServer().listen(${port}, '127.0.0.1', () => console.log('up'))`], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => holder.kill());
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  await t.rejects(requireFree(port, 'the gateway', 'make up PORT=...'), {
    name: 'FleetError',
    message: new RegExp(`^port ${port} \\(the gateway\\) is taken by process ${holder.pid} \\(.*node.* -e require.*make up PORT=\\.\\.\\.$`),
  });
});

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
