import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import path from 'node:path';
import { test, type Test } from 'tap';
import { canListen, claimBlockOf, claimFreeBlock, freePort } from '../src/free-port.ts';

const BLOCK = 32;

test('a port is free and below the range of outgoing connections', async (t) => {
  const port = await freePort();
  t.ok(port >= 15_000 && port < 60_000);
  const server = await listen(t, port);
  t.notOk(await canListen(port));
  await new Promise((resolve) => server.close(resolve));
  t.ok(await canListen(port));
});

test('a port is given once, and the ports of a process are neighbours', async (t) => {
  const ports = await Promise.all(Array.from({ length: 2 * BLOCK }, freePort));
  t.equal(new Set(ports).size, ports.length);
  const blocks = new Set(ports.map((port) => Math.floor(port / BLOCK)));
  t.ok(blocks.size <= 4, `${blocks.size} blocks`);
});

test('a block in which anybody listens is not taken', async (t) => {
  const port = await freePort();
  const first = port - (port % BLOCK);
  t.equal((await claimFreeBlock(first))?.length, BLOCK);
  await listen(t, first + BLOCK - 1);
  t.equal(await claimFreeBlock(first), undefined);
});

test('a block is of one process until that ends', async (t) => {
  const module = JSON.stringify(path.join(import.meta.dirname, '../src/free-port.ts'));
  const script = `import { freePort } from ${module};
    console.log(await freePort());
    setInterval(() => {}, 1000);`;
  const other = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => other.kill());
  const line = await new Promise((resolve) => other.stdout.once('data', resolve));
  const port = Number(String(line));
  t.notOk(await claimBlockOf(port), 'though nobody listens there yet');
  other.kill();
  await new Promise((resolve) => other.once('close', resolve));
  t.ok(await claimBlockOf(port));
  t.ok(await claimBlockOf(port), 'again by the same process');
});

async function listen(t: Test, port: number): Promise<ReturnType<typeof createServer>> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return server;
}
