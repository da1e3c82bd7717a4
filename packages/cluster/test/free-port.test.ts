import { createServer } from 'node:net';
import { test } from 'tap';
import { canListen, freePort } from '../src/free-port.ts';

test('a port is free and below the range of outgoing connections', async (t) => {
  const port = await freePort();
  t.ok(port >= 15_000 && port < 60_000);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  t.notOk(await canListen(port));
  await new Promise((resolve) => server.close(resolve));
  t.ok(await canListen(port));
});
