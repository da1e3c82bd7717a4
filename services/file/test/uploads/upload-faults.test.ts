import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { test, type Test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { build, BUCKET, type Fixture, type TestUser } from '../build.ts';
import { form, upload } from '../forms.ts';

const MIB = 1024 ** 2;

/** Starts an upload on its own socket and leaves it open. */
async function beginUpload(
  url: string,
  user: TestUser,
  bytes: Buffer,
  announced: number,
): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(
    `POST /api/files HTTP/1.1\r\nHost: x\r\nAuthorization: ${user.headers.authorization}\r\n` +
      `Content-Type: multipart/form-data; boundary=b\r\nContent-Length: ${announced}\r\n\r\n`,
  );
  socket.write('--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n');
  socket.write(bytes);
  return socket;
}

const isEmpty = async ({ query, stored, files }: Fixture): Promise<boolean> => {
  const [rows, { objects, uploads }] = await Promise.all([
    query('select from files.files union all select from files.orphans'),
    stored(),
  ]);
  return rows.length + objects.length + uploads.length + files.store.pool.load().lent === 0;
};

async function nothingLeft(t: Test, fixture: Fixture): Promise<void> {
  await until(() => isEmpty(fixture), { what: 'nothing is left' });
  t.strictSame(await fixture.events(), []);
}

test('an upload that is cut off leaves nothing', async (t) => {
  const fixture = await build(t, { SETTLE_INTERVAL_MS: '60000' });
  const url = await fixture.listen();
  const user = await fixture.signIn();
  for (const size of [1_000, 12 * MIB]) {
    const socket = await beginUpload(url, user, randomBytes(size), 20 * MIB);
    await until(
      async () =>
        size < MIB
          ? fixture.files.store.pool.load().lent > 0
          : (await fixture.stored()).uploads.length > 0,
      { what: 'bytes have arrived' },
    );
    socket.destroy();
    await nothingLeft(t, fixture);
  }
});

test('a silent client gets 408 and leaves nothing', async (t) => {
  const fixture = await build(t, { UPLOAD_IDLE_TIMEOUT_MS: '200', SETTLE_INTERVAL_MS: '60000' });
  const user = await fixture.signIn();
  const socket = await beginUpload(await fixture.listen(), user, randomBytes(6 * MIB), 20 * MIB);
  t.teardown(async () => socket.destroy());
  const [answer] = await once(socket, 'data');
  t.match(String(answer), /^HTTP\/1\.1 408 .*upload_timeout/s);
  await nothingLeft(t, fixture);
});

test("one caller's slow uploads leave room for another's", async (t) => {
  const fixture = await build(t, {
    UPLOAD_BUFFERS: '2',
    UPLOAD_IDLE_TIMEOUT_MS: '60000',
    SETTLE_INTERVAL_MS: '60000',
  });
  const [slow, other] = [await fixture.signIn(), await fixture.signIn()];
  const url = await fixture.listen();
  // Far above the minimum rate for as long as the other one waits.
  for (const _ of [1, 2]) {
    const socket = await beginUpload(url, slow, randomBytes(MIB), 20 * MIB);
    t.teardown(async () => socket.destroy());
  }
  await until(() => fixture.files.store.pool.load().lent === 2, { what: 'both buffers are lent' });
  const { payload, headers } = await form({ content: randomBytes(1_000) });
  const answer = await fetch(`${url}/api/files`, {
    method: 'POST',
    headers: { ...other.headers, ...headers },
    body: new Uint8Array(payload),
  });
  t.equal(answer.status, 201, await answer.text());
});

test('a client that waits for our S3 is not silent', async (t) => {
  const fixture = await build(t, { UPLOAD_IDLE_TIMEOUT_MS: '250', S3_REQUEST_TIMEOUT_MS: '20000' });
  const user = await fixture.signIn();
  const url = await fixture.listen();
  fixture.s3.proxy.mode({ delayMs: 600 });
  const { payload, headers } = await form({ content: randomBytes(21 * MIB) });
  const answer = await fetch(`${url}/api/files`, {
    method: 'POST',
    headers: { ...user.headers, ...headers },
    body: new Uint8Array(payload),
  });
  t.equal(answer.status, 201, await answer.text());
});

test('with S3 down uploads get 503 and Retry-After, and leave no row', async (t) => {
  for (const size of [1_000, 6 * MIB]) {
    const fixture = await build(t, { SETTLE_INTERVAL_MS: '60000' });
    const { app, s3, signIn } = fixture;
    const user = await signIn();
    s3.proxy.mode('refuse');
    const { payload, headers } = await form({ content: randomBytes(size) });
    const begun = Date.now();
    const answer = await app.inject({
      method: 'POST',
      url: '/api/files',
      headers: { ...user.headers, ...headers },
      payload,
    });
    t.match(
      [answer.statusCode, answer.json().code, answer.headers['retry-after']],
      [503, 'dependency_unavailable', /\d/],
    );
    t.ok(Date.now() - begun < timeBound(2_000));
    t.strictSame(await fixture.query('select id from files.files'), []);
    t.strictSame(await fixture.stored(), { objects: [], uploads: [] });
    t.strictSame(await fixture.events(), []);
    t.equal((await app.inject({ url: '/api/files', headers: user.headers })).statusCode, 200);
    const ready = await app.inject('/health/ready');
    t.equal(ready.json().dependencies.s3.status, 'down');
    s3.proxy.mode('pass');
    t.ok(await upload(app, user, 'hello'));
  }
});

test('an S3 that stops answering gives 503, and the cleanup leaves nothing', async (t) => {
  const fixture = await build(t);
  const { s3, signIn, query, app } = fixture;
  const user = await signIn();
  const url = await fixture.listen();
  const socket = await beginUpload(url, user, randomBytes(6 * MIB), 20 * MIB);
  t.teardown(async () => socket.destroy());
  await until(async () => (await fixture.stored()).uploads.length > 0, {
    what: 'the first part is sent',
  });
  s3.proxy.mode('blackhole');
  socket.write(randomBytes(10 * MIB));
  const [answer] = await once(socket, 'data');
  t.match(String(answer), /^HTTP\/1\.1 503 .*retry-after/is);
  t.strictSame((await app.inject({ url: '/api/files', headers: user.headers })).json(), []);
  t.strictSame(await query('select id from files.files'), []);
  s3.proxy.mode('pass');
  await nothingLeft(t, fixture);
});

test('idle connections that S3 closed fail no upload', async (t) => {
  const { app, s3, signIn } = await build(t);
  const user = await signIn();
  for (let i = 0; i < 5; i += 1) {
    t.ok(await upload(app, user, `hello ${i}`));
    s3.proxy.mode('cut');
  }
});

test('an upload waits for a buffer, and gets 503 when none becomes free', async (t) => {
  const fixture = await build(t, { UPLOAD_BUFFERS: '2', UPLOAD_QUEUE_TIMEOUT_MS: '300' });
  const user = await fixture.signIn();
  const url = await fixture.listen();
  const sockets = [
    await beginUpload(url, user, randomBytes(10), 1_000),
    await beginUpload(url, user, randomBytes(10), 1_000),
  ];
  await until(async () => fixture.files.store.pool.load().lent === 2, {
    what: 'both hold a buffer',
  });
  const { payload, headers } = await form({ content: 'hello' });
  const refused = await fetch(`${url}/api/files`, {
    method: 'POST',
    headers: { ...user.headers, ...headers },
    body: new Uint8Array(payload),
  });
  t.match(
    [refused.status, refused.headers.get('retry-after'), await refused.json()],
    [503, /\d/, { code: 'upload_capacity' }],
  );

  const waiting = fetch(`${url}/api/files`, {
    method: 'POST',
    headers: { ...user.headers, ...headers },
    body: new Uint8Array(payload),
  });
  await until(async () => fixture.files.store.pool.load().waiting === 1, { what: 'it waits' });
  sockets[0]?.destroy();
  t.equal((await waiting).status, 201);
  sockets[1]?.destroy();
  await until(async () => fixture.files.store.pool.load().lent === 0, {
    what: 'all buffers are back',
  });
});

test('eight concurrent large uploads through eight buffers arrive whole', async (t) => {
  const fixture = await build(t, { UPLOAD_BUFFERS: '3', S3_REQUEST_TIMEOUT_MS: '20000' });
  const user = await fixture.signIn();
  const files = await Promise.all(
    Array.from({ length: 8 }, (_, i) => upload(fixture.app, user, Buffer.alloc(11 * MIB, i))),
  );
  t.equal(new Set(files.map(({ sha256 }) => sha256)).size, 8);
  t.equal((await fixture.stored()).objects.length, 8);
  t.ok(fixture.files.store.pool.load().lent === 0);
});

test('a database lost before the commit gives 503 and leaves no object', async (t) => {
  const fixture = await build(t, { UPLOAD_ABANDONED_MS: '1000' });
  const user = await fixture.signIn();
  await fixture.query('alter table files.outbox rename to outbox_away');
  const { payload, headers } = await form({ content: 'hello' });
  const answer = await fixture.app.inject({
    method: 'POST',
    url: '/api/files',
    headers: { ...user.headers, ...headers },
    payload,
  });
  t.equal(answer.statusCode, 500);
  await fixture.query('alter table files.outbox_away rename to outbox');
  await nothingLeft(t, fixture);
});

test('an upload that S3 carries out late is removed', async (t) => {
  const fixture = await build(t, { UPLOAD_LATE_MS: '6000', S3_REQUEST_TIMEOUT_MS: '300' });
  const { s3, signIn, query, stored, files } = fixture;
  const user = await signIn();
  const url = await fixture.listen();
  const { payload, headers } = await form({ content: 'late' });
  s3.proxy.mode('blackhole');
  const answer = await fetch(`${url}/api/files`, {
    method: 'POST',
    headers: { ...user.headers, ...headers },
    body: new Uint8Array(payload),
  });
  t.equal(answer.status, 503, await answer.text());
  s3.proxy.mode('pass');
  await until(
    async () => (await query('select from files.orphans where not_before > since')).length === 1,
    { what: 'it was removed once' },
  );
  const [note] = await query<{ object_key: string }>('select object_key from files.orphans');
  await files.store.s3.send(
    new PutObjectCommand({ Bucket: BUCKET, Key: note?.object_key, Body: 'late' }),
  );
  t.equal((await stored()).objects.length, 1, 'it has landed');
  await nothingLeft(t, fixture);
});
