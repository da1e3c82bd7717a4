import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { randomBytes } from 'node:crypto';
import { readdir, readlink } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'tap';
import { until } from '@muniment/testing';
import { bucket, build } from '../s3-server.ts';

interface Stored {
  url: URL;
  body: Buffer;
}

/** Stores four objects of random bytes. */
function storeObjects(client: S3Client, size: number): Promise<Stored[]> {
  return Promise.all(
    ['a', 'b', 'c', 'd'].map(async (Key) => {
      const body = randomBytes(size);
      await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: body }));
      const get = new GetObjectCommand({ Bucket: bucket, Key });
      return { url: new URL(await getSignedUrl(client, get)), body };
    }),
  );
}

/** Opens a connection that is not read yet. */
const openConnection = (endpoint: string): Socket =>
  connect(Number(new URL(endpoint).port), '127.0.0.1').pause();

function request(socket: Socket, { host, pathname, search }: URL): void {
  socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
}

/** Reads the bodies of answers, of `size` bytes each, until there are `count`. */
async function readBodies(socket: Socket, size: number, count: number): Promise<Buffer[]> {
  const bodies: Buffer[] = [];
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of socket) {
    chunks.push(Buffer.from(chunk));
    bytes += chunks.at(-1)?.length ?? 0;
    if (bytes < size) continue;
    const rest = Buffer.concat(chunks.splice(0));
    const start = rest.indexOf('\r\n\r\n') + 4;
    const end = start + size;
    chunks.push(rest.length < end ? rest : rest.subarray(end));
    bytes = chunks[0]?.length ?? 0;
    if (rest.length >= end) bodies.push(rest.subarray(start, end));
    if (bodies.length === count) break;
  }
  return bodies;
}

test('answers that wait for their client keep their bytes while others are sent', async (t) => {
  const { client, endpoint } = await build(t);
  const size = 400_000;
  const objects = await storeObjects(client, size);
  const socket = openConnection(endpoint);
  t.teardown(() => socket.destroy());
  const sent: Stored[] = [];
  // The socket's buffers hold only some of 24 MB.
  for (let round = 0; round < 15; round++)
    for (const [i, object] of objects.entries()) {
      request(socket, object.url);
      sent.push(object);
      const { url, body } = objects[(i + 1) % objects.length] ?? object;
      t.ok(body.equals(Buffer.from(await (await fetch(url)).arrayBuffer())), 'another answer');
    }
  const bodies = await readBodies(socket, size, sent.length);
  t.same(
    sent.map(({ body }, i) => bodies[i]?.equals(body)),
    sent.map(() => true),
  );
});

test('large objects read slowly by many clients keep their bytes', async (t) => {
  const { client, endpoint } = await build(t);
  const size = 9 * 1024 ** 2;
  const objects = await storeObjects(client, size);
  const readers = [...objects, ...objects].map((object) => {
    const socket = openConnection(endpoint);
    t.teardown(() => socket.destroy());
    request(socket, object.url);
    return { socket, object };
  });
  for (const { url } of objects) await (await fetch(url)).arrayBuffer();
  await Promise.all(
    readers.map(async ({ socket, object }, i) => {
      const [body] = await readBodies(socket, size, 1);
      t.ok(body?.equals(object.body), `reader ${i}`);
    }),
  );
});

test('a client that goes away during a download leaves no open file', async (t) => {
  const { client, dir, endpoint } = await build(t);
  const objects = await storeObjects(client, 20 * 1024 ** 2);
  const openObjects = async (): Promise<string[]> => {
    const names = await readdir('/proc/self/fd');
    const links = await Promise.all(
      names.map((name) => readlink(join('/proc/self/fd', name)).catch(() => '')),
    );
    return links.filter((link) => link.startsWith(join(dir, bucket, 'objects', '/')));
  };
  const sockets = objects.map(({ url }) => {
    const socket = openConnection(endpoint);
    request(socket, url);
    return socket;
  });
  await until(async () => (await openObjects()).length === objects.length);
  for (const socket of sockets) socket.destroy();
  await until(async () => (await openObjects()).length === 0);
});
