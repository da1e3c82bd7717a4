import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'tap';
import { timeBound } from '@muniment/testing';
import { IDLE_MS } from '../../src/http/connections.ts';
import { build } from '../build.ts';
import { listen } from '../raw-request.ts';

test('an upgraded connection that does not end by itself is ended by a stop', async (t) => {
  const { app } = await build(t);
  app.server.on('upgrade', (_request, socket: Duplex) => {
    socket.on('error', () => {}).write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
  });
  const client = connect(await listen(app), '127.0.0.1');
  t.teardown(() => client.destroy());
  client.write('GET /any HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: any\r\n\r\n');
  const [answer] = await once(client, 'data');
  t.match(String(answer), /^HTTP\/1\.1 101/);
  client.on('error', () => {}).resume();
  const stopped = app.close();
  await once(client, 'close', { signal: AbortSignal.timeout(timeBound(5_000, 15_000)) });
  await stopped;
});

test('a stopping replica leaves it to the gateway to close idle connections', (t) => {
  const template = join(import.meta.dirname, '../../../../nginx/nginx.conf.template');
  const text = readFileSync(template, 'utf8');
  const timeouts = [...text.matchAll(/^ +keepalive_timeout (\d+)ms;/gm)].map(([, ms]) =>
    Number(ms),
  );
  t.equal(timeouts.length, 3, 'one for each service');
  for (const ms of timeouts) t.ok(ms + 200 < IDLE_MS, `${ms} ms, and some for the way`);
  t.end();
});
