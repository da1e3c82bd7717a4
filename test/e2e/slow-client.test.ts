import type { Socket } from 'node:net';
import { test, type Test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { startFleet } from './fleet.ts';
import { isProblem } from './problems.ts';
import { findProcess } from './processes.ts';
import { openSocket, readAnswer } from './raw-http.ts';
import { openDatabase, storedObjects, trailGaps } from './stores.ts';

const MIB = 1024 ** 2;

test('a client that stops, is cut off or sends too much leaves nothing behind', async (t) => {
  // With the default time-outs: the service's must be shorter than the gateway's.
  const fleet = await startFleet(t, { DURABLE: 'off', REPLICAS: '1' });
  const rows = await openDatabase(t, fleet);
  const { token } = await fleet.signUp();
  const before = await findProcess(fleet, 'file-1');
  const uploadIsOpen = (): Promise<boolean> =>
    until(
      async () =>
        (await storedObjects(fleet)).uploads.length === 1 &&
        (await rows(`select id from files.files where status = 'pending'`)).length > 0,
      { what: 'a multipart upload is open', timeoutMs: timeBound(5_000) },
    );

  /** Sends the head of an upload of `size` bytes and the first `sent` bytes. */
  async function begin(size: number, sent: number): Promise<Socket> {
    const head =
      '--cut\r\ncontent-disposition: form-data; name="file"; filename="never.bin"\r\n\r\n';
    const length = head.length + size + '\r\n--cut--\r\n'.length;
    const socket = await openSocket(fleet.url);
    socket.write(
      [
        'POST /api/files HTTP/1.1',
        'host: localhost',
        `authorization: Bearer ${token}`,
        'content-type: multipart/form-data; boundary=cut',
        `content-length: ${length}`,
        '',
        head,
      ].join('\r\n'),
    );
    socket.write(Buffer.alloc(sent, 'x'));
    return socket;
  }

  async function nothingLeft(t: Test, name: string): Promise<void> {
    await until(
      async () => {
        const { objects, uploads } = await storedObjects(fleet);
        return (
          objects.length === 0 &&
          uploads.length === 0 &&
          (await rows(`select id from files.files where status <> 'purged'`)).length === 0
        );
      },
      { what: `${name}: nothing is left` },
    );
    t.strictSame(
      await (await fleet.call('GET', '/api/files', { token })).json(),
      [],
      `${name}: no row, no object, no open multipart upload, nothing in the list`,
    );
  }

  await t.test('stops sending', async (t) => {
    // 6 MiB: S3 has one part already when the client stops.
    const sockets = await Promise.all([
      begin(8 * MIB, 6 * MIB),
      begin(200_000, 100_000),
      begin(200_000, 0),
    ]);
    await uploadIsOpen();
    const started = performance.now();
    const answers = sockets.map((socket) => readAnswer(socket, 30_000));
    const other = await fleet.signUp();
    const { id } = (await (await fleet.upload(other.token, 'other.txt', 'of another')).json()) as {
      id: string;
    };
    t.equal(
      (await fleet.call('DELETE', `/api/files/${id}`, { token: other.token })).status,
      204,
      'another user is served meanwhile',
    );
    for (const { status, headers, body } of await Promise.all(answers))
      await isProblem(
        t,
        new Response(body, { status, headers }),
        408,
        'upload_timeout',
        'who stopped',
      );
    t.ok(performance.now() - started < timeBound(14_000), 'before the gateway cuts them off');
    await nothingLeft(t, 'after silence');
  });

  await t.test('is cut off', async (t) => {
    const sockets = await Promise.all([
      begin(8 * MIB, 6 * MIB),
      begin(200_000, 100_000),
      begin(200_000, 0),
    ]);
    await uploadIsOpen();
    for (const socket of sockets) socket.resetAndDestroy();
    await nothingLeft(t, 'after the cut');
  });

  await t.test('sends a byte too much', async (t) => {
    const size = 50 * MIB + 1;
    await isProblem(
      t,
      await fleet.upload(token, 'large.bin', Buffer.alloc(size)),
      413,
      'file_too_large',
      '50 MiB and a byte',
    );
    await nothingLeft(t, 'after too much');
    // Without a length it cannot be refused before its bytes arrive.
    const endless = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(
          Buffer.from(
            '--cut\r\ncontent-disposition: form-data; name="file"; filename="endless.bin"\r\n\r\n',
          ),
        );
      },
      pull(controller) {
        controller.enqueue(Buffer.alloc(MIB, 'x'));
      },
    });
    const answer = await fetch(`${fleet.url}/api/files`, {
      method: 'POST',
      body: endless,
      duplex: 'half',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'multipart/form-data; boundary=cut',
      },
    }).catch(() => undefined);
    if (answer) await isProblem(t, answer, 413, undefined, 'a body without an end');
    await nothingLeft(t, 'after a body without an end');
    const largest = await fleet.upload(token, 'largest.bin', Buffer.alloc(size - 1));
    t.equal(largest.status, 201, 'one byte less is taken');
    const { id } = (await largest.json()) as { id: string };
    await fleet.call('DELETE', `/api/files/${id}`, { token });
    await nothingLeft(t, 'after its deletion');
  });

  t.equal((await findProcess(fleet, 'file-1')).pid, before.pid, 'the replica lives');
  await until(async () => (await trailGaps(rows)).length === 0, { what: 'the trail is complete' });
  // Lists show what is sealed.
  const unsealed = (): Promise<unknown[]> =>
    rows(`select from audit.events e
      where not exists (select from audit.sealed s where s.event_id = e.id)`);
  await until(async () => (await unsealed()).length === 0, { what: 'the trail is sealed' });
  t.strictSame(
    (await fleet.trail(token)).map(({ action }) => action),
    ['SIGNUP_SUCCESS', 'FILE_UPLOAD', 'FILE_DELETE'],
    'what never came to be left no event',
  );
});
