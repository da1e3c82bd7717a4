import { createHash, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { test } from 'tap';
import { GATEWAY_HEADERS, untilBlocked, type Rows } from '@muniment/testing';
import { build, BUCKET } from '../build.ts';
import { upload } from '../forms.ts';

test('the gateway gets a URL that S3 accepts, after the event', async (t) => {
  const { app, signIn, events, s3 } = await build(t);
  const user = await signIn();
  const content = randomBytes(70_000);
  const file = await upload(app, user, content, 'naïve "x".bin');

  const answer = await app.inject({ url: `/api/files/${file.id}`, headers: user.headers });
  t.equal(answer.statusCode, 200);
  t.equal(answer.body, '');
  const {
    'x-accel-redirect': location = '',
    'last-modified': modified,
    date,
    connection,
    ...rest
  } = answer.headers;
  t.ok(modified && date && connection);
  // Nginx would send these even with a problem, so they have other names here.
  t.strictSame(rest, {
    etag: `"${createHash('md5').update(content).digest('hex')}"`,
    'content-type': 'application/octet-stream',
    'x-accel-content-disposition':
      'attachment; filename="na?ve \\"x\\".bin"; ' + `filename*=UTF-8''na%C3%AFve%20%22x%22.bin`,
    'x-accel-cache-control': 'private, no-cache',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; sandbox; frame-ancestors 'none'",
    'cross-origin-resource-policy': 'same-site',
    'referrer-policy': 'no-referrer',
    'x-frame-options': 'DENY',
    'content-length': '0',
  });
  const ranged = async (headers: Record<string, string>) =>
    (await app.inject({ url: `/api/files/${file.id}`, headers: { ...user.headers, ...headers } }))
      .headers['x-accel-range'];
  t.equal(await ranged({ range: 'bytes=-10' }), 'bytes=69990-69999');
  t.equal(await ranged({ range: 'bytes=5-7', 'if-range': file.etag }), 'bytes=5-7');
  t.equal(await ranged({ range: 'bytes=5-7', 'if-range': '"another"' }), undefined);
  t.ok(String(location).startsWith(`/_s3/${BUCKET}/`));
  // The fault proxy's host is the one that is signed for.
  const bytes = await fetch(s3.proxy.url + String(location).slice('/_s3'.length));
  t.ok(Buffer.from(await bytes.arrayBuffer()).equals(content));
  t.match((await events()).at(-1), {
    action: 'FILE_DOWNLOAD',
    user_id: user.id,
    resource: file.id,
    resource_type: 'file',
    session_id: user.sessionId,
    metadata: { size: content.length },
    personal: { filename: 'naïve "x".bin' },
  });
});

test('HEAD ignores Range and records no download', async (t) => {
  const { app, signIn, events, s3 } = await build(t);
  const user = await signIn();
  const file = await upload(app, user, 'hello', 'a.txt', 'text/plain');
  s3.proxy.mode('refuse');
  const answer = await app.inject({
    method: 'HEAD',
    url: `/api/files/${file.id}`,
    headers: { ...user.headers, range: 'bytes=1-2' },
  });
  t.equal(answer.statusCode, 200);
  t.match(answer.headers, {
    'content-length': '5',
    etag: file.etag,
    'content-type': 'text/plain; charset=utf-8',
    'accept-ranges': 'bytes',
    'x-content-type-options': 'nosniff',
  });
  t.notOk('x-accel-redirect' in answer.headers);
  t.strictSame(
    (await events()).map(({ action }) => action),
    ['FILE_UPLOAD'],
  );
});

test('304, 412 and 416 come from the row and record no event', async (t) => {
  const { app, signIn, events, s3 } = await build(t);
  const user = await signIn();
  const file = await upload(app, user, 'hello');
  s3.proxy.mode('refuse');
  const get = (headers: Record<string, string>) =>
    app.inject({ url: `/api/files/${file.id}`, headers: { ...user.headers, ...headers } });

  for (const headers of [
    { 'if-none-match': file.etag },
    { 'if-none-match': `"x", W/${file.etag}` },
    { 'if-none-match': '*' },
    { 'if-modified-since': new Date(Date.now() + 5_000).toUTCString() },
  ]) {
    const answer = await get(headers);
    t.equal(answer.statusCode, 304, JSON.stringify(headers));
    t.match(answer.headers, {
      etag: file.etag,
      'x-content-type-options': 'nosniff',
      'cache-control': 'private, no-cache',
    });
    t.equal(answer.body, '');
  }
  for (const headers of [
    { 'if-match': '"x"' },
    { 'if-match': `W/${file.etag}` },
    { 'if-unmodified-since': 'Thu, 01 Jan 2026 00:00:00 GMT' },
  ]) {
    const answer = await get(headers);
    t.match(
      [answer.statusCode, answer.json().code, answer.headers['x-content-type-options']],
      [412, 'precondition_failed', 'nosniff'],
      JSON.stringify(headers),
    );
  }
  for (const range of ['bytes=5-', 'bytes=99-100', 'bytes=-0']) {
    const answer = await get({ range });
    t.match(
      [answer.statusCode, answer.json().code, answer.headers['content-range']],
      [416, 'range_not_satisfiable', 'bytes */5'],
      range,
    );
    t.equal(answer.headers['x-content-type-options'], 'nosniff');
  }
  t.equal(
    (await get({ range: 'bytes=9-', 'if-range': '"another"' })).statusCode,
    200,
    'a Range that If-Range switches off cannot fail',
  );
  t.strictSame(
    (await events()).map(({ action }) => action),
    ['FILE_UPLOAD', 'FILE_DOWNLOAD'],
  );
});

test('a 304 after a rename tells the new name', async (t) => {
  const { app, signIn } = await build(t);
  const user = await signIn();
  const { id, etag } = await upload(app, user, 'hello', 'old.txt');
  const url = `/api/files/${id}`;
  await app.inject({ method: 'PATCH', url, headers: user.headers, payload: { name: 'new.txt' } });
  for (const method of ['GET', 'HEAD'] as const) {
    const headers = { ...user.headers, 'if-none-match': etag };
    const answer = await app.inject({ method, url, headers });
    t.equal(answer.statusCode, 304);
    t.match(answer.headers['content-disposition'], /filename="?new\.txt/, method);
  }
});

for (const mode of ['accel', 'stream'])
  test(`the last bytes of an empty file are all of it, by ${mode}`, async (t) => {
    const { app, signIn } = await build(t, { DOWNLOAD_MODE: mode });
    const user = await signIn();
    const { id } = await upload(app, user, '');
    const get = (range: string) =>
      app.inject({ url: `/api/files/${id}`, headers: { ...user.headers, range } });
    const answer = await get('bytes=-5');
    t.equal(answer.statusCode, 200);
    t.equal(answer.body, '');
    t.notHas(answer.headers, { 'content-range': String });
    for (const range of ['bytes=0-', 'bytes=0-5', 'bytes=-0'])
      t.equal((await get(range)).statusCode, 416, range);
  });

test('foreign, deleted, unfinished and absent files get the same answer', async (t) => {
  const { app, signIn, query, events } = await build(t);
  const [owner, other] = [await signIn(), await signIn()];
  const file = await upload(app, owner, 'secret');
  const gone = await upload(app, other, 'gone');
  const unfinished = await upload(app, other, 'unfinished');
  await app.inject({ method: 'DELETE', url: `/api/files/${gone.id}`, headers: other.headers });
  await query(`update files.files set status = 'pending' where id = $1`, [unfinished.id]);
  const before = (await events()).length;

  for (const [method, path] of [
    ['GET', ''],
    ['HEAD', ''],
    ['GET', '/metadata'],
    ['PATCH', ''],
    ['DELETE', ''],
  ] as const) {
    const answers = await Promise.all(
      [file.id, gone.id, unfinished.id, '01900000-0000-7000-8000-000000000000'].map(async (id) => {
        const answer = await app.inject({
          method,
          url: `/api/files/${id}${path}`,
          headers: other.headers,
          ...(method === 'PATCH' && { payload: { name: 'x' } }),
        });
        const { date: _, ...headers } = answer.headers;
        return {
          status: answer.statusCode,
          headers,
          body: answer.body.replace(/"request_id":"[0-9a-f]{32}"/, ''),
        };
      }),
    );
    t.equal(answers[0]?.status, 404);
    for (const answer of answers) t.strictSame(answer, answers[0], `${method} ${path}`);
  }
  t.equal((await events()).length, before);
});

test('a GET that the gateway retries at another replica is one event', async (t) => {
  const { app, signIn, events, replica } = await build(t);
  const second = await replica();
  const user = await signIn();
  const file = await upload(app, user, 'hello');
  const started = (Date.now() / 1_000).toFixed(3);
  const get = (to: typeof app, id: string) =>
    to.inject({
      url: `/api/files/${file.id}`,
      headers: {
        ...GATEWAY_HEADERS,
        ...user.headers,
        'x-request-id': id.repeat(32),
        'x-request-start': started,
      },
    });
  for (const to of [app, second.http.app]) t.equal((await get(to, 'a')).statusCode, 200);
  t.equal((await events()).filter(({ action }) => action === 'FILE_DOWNLOAD').length, 1);
  await get(second.http.app, 'b');
  t.equal((await events()).filter(({ action }) => action === 'FILE_DOWNLOAD').length, 2);
});

test('two downloads past the gateway under one request id and start time are two events', async (t) => {
  const { app, signIn, events } = await build(t);
  const user = await signIn();
  const file = await upload(app, user, 'hello');
  const chosen = {
    'x-request-id': 'a'.repeat(32),
    'x-request-start': (Date.now() / 1_000).toFixed(3),
    'x-forwarded-for': '198.51.100.7',
  };
  for (let n = 0; n < 2; n += 1)
    await app.inject({ url: `/api/files/${file.id}`, headers: { ...user.headers, ...chosen } });
  const downloads = (await events()).filter(({ action }) => action === 'FILE_DOWNLOAD');
  t.equal(downloads.length, 2);
  for (const { request_id, personal } of downloads) {
    t.not(request_id, chosen['x-request-id']);
    t.equal(personal?.ip, '127.0.0.1');
  }
});

test('what a browser might run is never served as what it is', async (t) => {
  const { app, signIn } = await build(t);
  const user = await signIn();
  for (const [content, mimeType] of [
    ['<!doctype html><script>alert(1)</script>', 'text/html'],
    ['<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', 'image/svg+xml'],
    ['<?xml version="1.0"?><x/>', 'application/xml'],
  ] as const) {
    const file = await upload(app, user, content, 'photo.png', 'image/png');
    t.equal(file.mime_type, mimeType);
    const answer = await app.inject({
      method: 'HEAD',
      url: `/api/files/${file.id}`,
      headers: user.headers,
    });
    t.match(answer.headers, {
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
      'content-disposition': /^attachment/,
      'content-security-policy': /sandbox/,
    });
  }
});

test('stream mode sends ranges, and the whole file for several ranges', async (t) => {
  const { app, signIn, events } = await build(t, { DOWNLOAD_MODE: 'stream' });
  const user = await signIn();
  const content = randomBytes(6 * 1024 ** 2);
  const file = await upload(app, user, content);
  const get = (headers: Record<string, string> = {}) =>
    app.inject({ url: `/api/files/${file.id}`, headers: { ...user.headers, ...headers } });

  const whole = await get();
  t.equal(whole.statusCode, 200);
  t.ok(whole.rawPayload.equals(content));
  t.equal(whole.headers['content-length'], String(content.length));
  t.equal((await events()).at(-1)?.action, 'FILE_DOWNLOAD');

  for (const [range, start, end] of [
    ['bytes=0-0', 0, 0],
    ['bytes=100-199', 100, 199],
    ['bytes=-7', content.length - 7, content.length - 1],
    [`bytes=${content.length - 3}-99999999`, content.length - 3, content.length - 1],
  ] as const) {
    const part = await get({ range, 'if-range': file.etag });
    t.match(
      [part.statusCode, part.headers['content-range'], part.headers['content-length']],
      [206, `bytes ${start}-${end}/${content.length}`, String(end - start + 1)],
    );
    t.ok(part.rawPayload.equals(content.subarray(start, end + 1)), range);
  }
  for (const headers of [
    { range: 'bytes=0-1,4-5' },
    { range: 'items=0-1' },
    { range: 'bytes=5-2' },
    { range: 'bytes=0-1', 'if-range': '"x"' },
  ]) {
    const answer = await get(headers);
    t.strictSame(
      [answer.statusCode, answer.rawPayload.length],
      [200, content.length],
      JSON.stringify(headers),
    );
  }
  t.equal((await get({ range: `bytes=${content.length}-` })).statusCode, 416);
});

test('stream mode: an empty file, and 503 without an event when S3 is down', async (t) => {
  const { app, signIn, events, s3 } = await build(t, { DOWNLOAD_MODE: 'stream' });
  const user = await signIn();
  const empty = await upload(app, user, '');
  t.match(await app.inject({ url: `/api/files/${empty.id}`, headers: user.headers }), {
    statusCode: 200,
    body: '',
    headers: { 'content-length': '0' },
  });
  s3.proxy.mode('refuse');
  const answer = await app.inject({ url: `/api/files/${empty.id}`, headers: user.headers });
  t.match(
    [answer.statusCode, answer.json().code, answer.headers['retry-after']],
    [503, 'dependency_unavailable', /\d/],
  );
  const { etag, 'last-modified': modified, 'cache-control': caching } = answer.headers;
  t.strictSame([etag, modified, caching], [undefined, undefined, 'no-store']);
  t.equal((await events()).filter(({ action }) => action === 'FILE_DOWNLOAD').length, 1);
});

for (const mode of ['accel', 'stream'])
  test(`no byte is sent before the event is committed, by ${mode}`, async (t) => {
    const { app, files, query, signIn, events } = await build(t, { DOWNLOAD_MODE: mode });
    const user = await signIn();
    const file = await upload(app, user, 'bytes');
    await query(`
      create function files.wait() returns trigger language plpgsql
        as 'begin perform pg_advisory_xact_lock(7); return new; end';
      create trigger wait before insert on files.outbox for each row execute function files.wait()`);
    let answered = false;
    const { answer } = await files.data.db.transaction().execute(async (trx) => {
      await sql`select pg_advisory_xact_lock(7)`.execute(trx);
      const request = app
        .inject({ url: `/api/files/${file.id}`, headers: user.headers })
        .finally(() => (answered = true));
      await untilBlocked(query as Rows, 'the event waits for the outbox');
      t.notOk(answered);
      return { answer: request };
    });
    t.equal((await answer).statusCode, 200);
    t.equal((await events()).filter(({ action }) => action === 'FILE_DOWNLOAD').length, 1);
  });
