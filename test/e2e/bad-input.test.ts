import { readFile } from 'node:fs/promises';
import { test } from 'tap';
import { type CallOptions, PASSWORD, startFleet } from './fleet.ts';
import { isProblem } from './problems.ts';
import { sendRaw } from './raw-http.ts';
import { openDatabase, storedObjects } from './stores.ts';

/** Method, path, request, expected status and code. Without a code the gateway itself answers. */
type Case = [method: string, path: string, send: CallOptions, status: number, code?: string];

const json = (text: string | Buffer<ArrayBuffer>, type = 'application/json'): CallOptions => ({
  body: text,
  headers: { 'content-type': type },
});
const multipart = (body: string, type = 'multipart/form-data; boundary=b'): CallOptions => ({
  body,
  headers: { 'content-type': type },
});
const part = (disposition: string, content = 'bytes'): string =>
  `--b\r\ncontent-disposition: form-data; ${disposition}\r\n\r\n${content}\r\n`;
const FILE = part('name="file"; filename="a.txt"');
const ID = '01890000-0000-7000-8000-000000000000';

const bodies: Record<string, Case> = {
  'malformed JSON': ['PATCH', '/api/users/me', json('{"name":'), 400, 'malformed_json'],
  'JSON that goes on': ['PATCH', '/api/users/me', json('{"name":"a"}}'), 400, 'malformed_json'],
  'an empty body': ['PATCH', '/api/users/me', json(''), 400, 'validation_failed'],
  'a prototype in JSON': [
    'PATCH',
    '/api/users/me',
    json('{"__proto__":{"x":1},"name":"a"}'),
    400,
    'malformed_json',
  ],
  'JSON that is no object': ['PATCH', '/api/users/me', json('[]'), 400, 'validation_failed'],
  null: ['PATCH', '/api/users/me', json('null'), 400, 'validation_failed'],
  'deep JSON': ['PATCH', '/api/users/me', json('['.repeat(30_000)), 400, 'malformed_json'],
  'bytes that are no UTF-8': [
    'PATCH',
    '/api/users/me',
    json(Buffer.from([...Buffer.from('{"name":"'), 0xc3, 0x28, ...Buffer.from('"}')])),
    400,
    'malformed_text',
  ],
  'text for JSON': [
    'PATCH',
    '/api/users/me',
    json('name=a', 'text/plain'),
    415,
    'unsupported_media_type',
  ],
  'a form for JSON': [
    'PATCH',
    '/api/users/me',
    json('name=a', 'application/x-www-form-urlencoded'),
    415,
    'unsupported_media_type',
  ],
  'a media type that is none': [
    'PATCH',
    '/api/users/me',
    json('{}', 'nonsense'),
    415,
    'unsupported_media_type',
  ],
  'an unknown field': [
    'PATCH',
    '/api/users/me',
    { json: { name: 'a', role: 'admin' } },
    400,
    'validation_failed',
  ],
  'no field at all': ['PATCH', '/api/users/me', { json: {} }, 400, 'validation_failed'],
  'a number for a text': [
    'PATCH',
    '/api/users/me',
    { json: { name: 7 } },
    400,
    'validation_failed',
  ],
  'NUL in a text': ['PATCH', '/api/users/me', json('{"name":"a\\u0000b"}'), 400, 'malformed_text'],
  'NUL in a name of a field': [
    'PATCH',
    '/api/users/me',
    json('{"na\\u0000me":"a"}'),
    400,
    'malformed_text',
  ],
  'a lone surrogate': ['PATCH', '/api/users/me', json('{"name":"\\ud800"}'), 400, 'malformed_text'],
  'an over-long name': [
    'PATCH',
    '/api/users/me',
    { json: { name: 'a'.repeat(201) } },
    400,
    'validation_failed',
  ],
  'a body over the limit': [
    'PATCH',
    '/api/users/me',
    { json: { name: 'a'.repeat(100_000) } },
    413,
    'body_too_large',
  ],
  "a body over the gateway's limit": [
    'PATCH',
    '/api/users/me',
    { json: { name: 'a'.repeat(300_000) } },
    413,
  ],
  'an address that is none': [
    'POST',
    '/api/users/register',
    { json: { email: 'nobody', password: PASSWORD } },
    422,
    'email_malformed',
  ],
  'an over-long address': [
    'POST',
    '/api/users/register',
    { json: { email: `${'a'.repeat(400)}@example.com`, password: PASSWORD } },
    400,
    'validation_failed',
  ],
  'NUL in an address': [
    'POST',
    '/api/users/register',
    json(`{"email":"a\\u0000@example.com","password":"${PASSWORD}"}`),
    400,
    'malformed_text',
  ],
  'a short password': [
    'POST',
    '/api/users/register',
    { json: { email: 'bad-input@example.com', password: 'short' } },
    422,
    'password_length',
  ],
  'a long password': [
    'POST',
    '/api/users/register',
    { json: { email: 'bad-input@example.com', password: 'a'.repeat(129) } },
    422,
    'password_length',
  ],
  'a role that nobody may choose': [
    'POST',
    '/api/users/register',
    { json: { email: 'bad-input@example.com', password: PASSWORD, type: 'admin' } },
    400,
    'validation_failed',
  ],
  'no password': [
    'POST',
    '/api/users/login',
    { json: { email: 'bad-input@example.com' } },
    400,
    'validation_failed',
  ],
  'a refresh token that is none': [
    'POST',
    '/api/auth/refresh',
    { json: { refresh_token: 'x' } },
    401,
    'refresh_token_invalid',
  ],
};

const forms: Record<string, Case> = {
  'no form': ['POST', '/api/files', json('{}'), 415, 'unsupported_media_type'],
  'no media type': [
    'POST',
    '/api/files',
    { body: new Uint8Array(5) },
    415,
    'unsupported_media_type',
  ],
  'no boundary': [
    'POST',
    '/api/files',
    multipart(FILE, 'multipart/form-data'),
    400,
    'malformed_multipart',
  ],
  'an empty boundary': [
    'POST',
    '/api/files',
    multipart(FILE, 'multipart/form-data; boundary=""'),
    400,
    'malformed_multipart',
  ],
  'another boundary': [
    'POST',
    '/api/files',
    multipart(`${FILE}--b--\r\n`, 'multipart/form-data; boundary=c'),
    400,
    'malformed_multipart',
  ],
  'an empty form': ['POST', '/api/files', multipart(''), 400, 'malformed_multipart'],
  'no part': ['POST', '/api/files', multipart('--b--\r\n'), 400, 'file_missing'],
  'no file in the part': [
    'POST',
    '/api/files',
    multipart(`${part('name="file"')}--b--\r\n`),
    400,
    'file_missing',
  ],
  'no file chosen': [
    'POST',
    '/api/files',
    multipart(`${part('name="file"; filename=""')}--b--\r\n`),
    400,
    'file_missing',
  ],
  'two files': ['POST', '/api/files', multipart(`${FILE}${FILE}--b--\r\n`), 400, 'too_many_files'],
  'an unknown field before the file': [
    'POST',
    '/api/files',
    multipart(`${part('name="note"')}${FILE}--b--\r\n`),
    400,
    'unknown_field',
  ],
  'an unknown field behind the file': [
    'POST',
    '/api/files',
    multipart(`${FILE}${part('name="note"')}--b--\r\n`),
    400,
    'unknown_field',
  ],
  'no end': ['POST', '/api/files', multipart(FILE), 400, 'malformed_multipart'],
  'a part without a disposition': [
    'POST',
    '/api/files',
    multipart('--b\r\ncontent-type: text/plain\r\n\r\nbytes\r\n--b--\r\n'),
    400,
    'malformed_multipart',
  ],
  'a header without an end': [
    'POST',
    '/api/files',
    multipart(
      `--b\r\ncontent-disposition: form-data; name="file"; filename="${'a'.repeat(20_000)}"`,
    ),
    400,
    'malformed_multipart',
  ],
  "NUL in the file's name": [
    'POST',
    '/api/files',
    multipart(`${part('name="file"; filename="a\0b.txt"')}--b--\r\n`),
    400,
    'name_invalid',
  ],
  'an over-long file name': [
    'POST',
    '/api/files',
    multipart(`${part(`name="file"; filename="${'a'.repeat(2_000)}"`)}--b--\r\n`),
    400,
    'name_invalid',
  ],
  'an encoded part': [
    'POST',
    '/api/files',
    multipart(
      '--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n' +
        'content-transfer-encoding: base64\r\n\r\nYQ==\r\n--b--\r\n',
    ),
    400,
    'malformed_multipart',
  ],
};

const paths: Record<string, Case> = {
  'a way up': ['GET', '/api/files/..%2f..%2fetc%2fpasswd', {}, 404],
  'an encoded way up': ['GET', '/api/files/%2e%2e/%2e%2e/etc/passwd', {}, 404],
  'a way into the storage': ['GET', '/_s3/muniment-files/x', {}, 404],
  'a way to the metrics': ['GET', '/api/users/..%2f..%2fmetrics', {}, 404, 'not_found'],
  'NUL in a path': ['GET', `/api/files/${ID}%00`, {}, 400],
  'NUL in a query': ['GET', '/api/files?cursor=%00', {}, 400, 'malformed_text'],
  'a broken escape': ['GET', '/api/files/%zz', {}, 400],
  'an escape that is no UTF-8': ['GET', '/api/files/%ff', {}, 400],
  'no id': ['GET', '/api/files/1', {}, 400, 'validation_failed'],
  'an id with SQL': [
    'GET',
    `/api/files/${encodeURIComponent("' or 1=1 --")}`,
    {},
    400,
    'validation_failed',
  ],
  'an over-long id': ['GET', `/api/files/${'a'.repeat(3_000)}`, {}, 414, 'malformed_url'],
  'no id of a log': ['GET', '/api/audit/logs/1', {}, 400, 'validation_failed'],
  'an unknown path': ['GET', '/api/nothing', {}, 404],
  'an unknown path of a service': ['GET', '/api/users/nothing/here', {}, 404, 'not_found'],
  'a method that the path does not have': [
    'PUT',
    '/api/files',
    json('{}'),
    405,
    'method_not_allowed',
  ],
  'an over-long URL': ['GET', `/api/files?cursor=${'a'.repeat(9_000)}`, {}, 414],
};

const queries: Record<string, Case> = Object.fromEntries(
  [
    ...['0', '-1', '201', '1.5', 'many', '', '9'.repeat(30)].map((limit) => [
      `limit=${limit}`,
      'validation_failed',
    ]),
    ...['x', '!!!', 'bm90IGEgY3Vyc29y', 'a'.repeat(90)].map((cursor) => [
      `cursor=${cursor}`,
      'cursor_invalid',
    ]),
    [`cursor=${'a'.repeat(101)}`, 'validation_failed'],
    ['unknown=1', 'validation_failed'],
    ['limit=1&limit=2', 'validation_failed'],
  ].flatMap(([query = '', code = '']) =>
    ['/api/files', '/api/audit/logs'].map((path): [string, Case] => [
      `${path}?${query}`.slice(0, 60),
      ['GET', `${path}?${query}`, {}, 400, code],
    ]),
  ),
);
for (const query of [
  'from=yesterday',
  'from=2026-13-01T00:00:00Z',
  'to=2026-02-30T00:00:00Z',
  'from=2026-01-01',
  'to=99999-01-01T00:00:00Z',
  'action=login',
  'outcome=maybe',
  `resource=${'a'.repeat(501)}`,
  'from=2026-01-01T00:00:00Z&from=2026-01-02T00:00:00Z',
]) {
  queries[query.slice(0, 60)] = ['GET', `/api/audit/logs?${query}`, {}, 400, 'validation_failed'];
}

const headers: Record<string, Case> = {
  'a header of 20 KB': [
    'GET',
    '/api/users/me',
    { headers: { 'x-large': 'a'.repeat(20_000) } },
    431,
  ],
  'many headers': [
    'GET',
    '/api/users/me',
    {
      headers: Object.fromEntries(
        Array.from({ length: 40 }, (_, index) => [`x-${index}`, 'a'.repeat(1_000)]),
      ),
    },
    431,
  ],
  'an over-long token': [
    'GET',
    '/api/users/me',
    { token: 'a'.repeat(7_000) },
    401,
    'unauthenticated',
  ],
};

const raw: Record<string, [bytes: string, status: number]> = {
  garbage: ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', 400],
  'a line that is not a request': ['HELLO\r\n\r\n', 400],
  'no host': ['GET /api/users/me HTTP/1.1\r\n\r\n', 400],
  'two lengths': [
    'POST /api/users/login HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}',
    400,
  ],
  'a length that is not a number': [
    'POST /api/users/login HTTP/1.1\r\nhost: a\r\ncontent-length: many\r\n\r\n',
    400,
  ],
  'a length beside chunks': [
    'POST /api/users/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n' +
      'content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  'a broken chunk': [
    'POST /api/users/login HTTP/1.1\r\nhost: a\r\nconnection: close\r\n' +
      'content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n',
    400,
  ],
  'a way up in the request line': [
    'GET /api/files/../../../etc/passwd HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
    400,
  ],
  'NUL in a header': [
    'GET /health HTTP/1.1\r\nhost: a\r\nx-a: a\0b\r\nconnection: close\r\n\r\n',
    400,
  ],
};

test('bad input is answered 4xx and leaves nothing behind', async (t) => {
  const fleet = await startFleet(t, { DURABLE: 'off', REPLICAS: '1' });
  const rows = await openDatabase(t, fleet);
  const { token } = await fleet.signUp();
  for (const [kind, cases] of Object.entries({ bodies, forms, paths, queries, headers })) {
    await t.test(kind, async (t) => {
      for (const [name, [method, path, options, status, code]] of Object.entries(cases)) {
        await isProblem(
          t,
          await fleet.call(method, path, { token, ...options }),
          status,
          code,
          name,
        );
      }
    });
  }
  await t.test('bytes that are not HTTP', async (t) => {
    for (const [name, [bytes, status]] of Object.entries(raw))
      await isProblem(
        t,
        await sendRaw(fleet.url, Buffer.from(bytes, 'latin1')),
        status,
        undefined,
        name,
      );
  });

  t.match(
    await (await fleet.call('GET', '/api/users/me', { token })).json(),
    { name: null },
    'the account is as it was',
  );
  t.strictSame(
    await rows(
      `select (select count(*)::int from identity.users) as users,
         (select count(*)::int from files.files) as files`,
    ),
    [{ users: 1, files: 0 }],
  );
  t.strictSame(await storedObjects(fleet), { objects: [], uploads: [] });
  for (const { service, log } of (await fleet.describe()).processes) {
    if (!['user', 'file', 'audit'].includes(service)) continue;
    t.strictSame(
      (await readFile(log, 'utf8')).split('\n').filter((line) => /"level":[56]0/.test(line)),
      [],
      `${service} took nothing for a fault of its own`,
    );
  }
});
