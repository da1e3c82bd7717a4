import { randomBytes } from 'node:crypto';
import tap, { test, type Test } from 'tap';
import { build, type Fixture, type TestUser } from '../build.ts';
import { form } from '../forms.ts';

const MULTIPART = { 'content-type': 'multipart/form-data; boundary=b' };
const part = (disposition: string, content: string, more = ''): string =>
  `--b\r\nContent-Disposition: ${disposition}\r\n${more}\r\n${content}\r\n`;
const FILE = part('form-data; name="file"; filename="a.txt"', 'hello');
const END = '--b--\r\n';

async function nothingLeft(t: Test, { query, stored, events, files }: Fixture): Promise<void> {
  t.strictSame(await query('select id from files.files'), []);
  t.strictSame(await stored(), { objects: [], uploads: [] });
  t.strictSame(await events(), []);
  t.equal(files.store.pool.load().lent, 0);
}

type BadForm = [
  what: string,
  status: number,
  code: string,
  payload: Buffer | string,
  headers?: Record<string, string>,
];

const fixture = await build(tap, { UPLOAD_MAX_BYTES: String(12 * 1024 ** 2) });
const user = await fixture.signIn();
const large = randomBytes(11 * 1024 ** 2).toString('latin1');

async function refused(t: Test, forms: readonly BadForm[]): Promise<void> {
  for (const [what, status, code, payload, headers = MULTIPART] of forms) {
    const answer = await fixture.app.inject({
      method: 'POST',
      url: '/api/files',
      headers: { ...user.headers, ...headers },
      payload,
    });
    t.equal(answer.headers['content-type'], 'application/problem+json', what);
    t.strictSame(
      [answer.statusCode, answer.json().code],
      [status, code],
      `${what}: ${answer.body}`,
    );
    await nothingLeft(t, fixture);
  }
}

test('a body that is no form is refused with 415 and leaves nothing', async (t) => {
  await refused(t, [
    ['no body and no type', 415, 'unsupported_media_type', '', {}],
    ['JSON', 415, 'unsupported_media_type', '{}', { 'content-type': 'application/json' }],
    [
      'malformed JSON',
      415,
      'unsupported_media_type',
      '{"a',
      { 'content-type': 'application/json' },
    ],
    [
      'another multipart',
      415,
      'unsupported_media_type',
      FILE + END,
      { 'content-type': 'multipart/mixed; boundary=b' },
    ],
    [
      'a type that only begins so',
      415,
      'unsupported_media_type',
      FILE + END,
      { 'content-type': 'multipart/form-dataX; boundary=b' },
    ],
  ]);
});

test('a form with a broken boundary or end is refused and leaves nothing', async (t) => {
  await refused(t, [
    [
      'no boundary',
      400,
      'malformed_multipart',
      FILE + END,
      { 'content-type': 'multipart/form-data' },
    ],
    [
      'an empty boundary',
      400,
      'malformed_multipart',
      FILE + END,
      { 'content-type': 'multipart/form-data; boundary=""' },
    ],
    [
      'a boundary that is too long',
      400,
      'malformed_multipart',
      FILE + END,
      { 'content-type': `multipart/form-data; boundary=${'b'.repeat(71)}` },
    ],
    [
      'another boundary than announced',
      400,
      'malformed_multipart',
      FILE + END,
      { 'content-type': 'multipart/form-data; boundary=c' },
    ],
    ['an empty body', 400, 'malformed_multipart', ''],
    ['an end without a delimiter', 400, 'malformed_multipart', FILE],
    ['an end within the file', 400, 'malformed_multipart', FILE.slice(0, -3)],
    [
      'an end within a large file',
      400,
      'malformed_multipart',
      Buffer.from(part('form-data; name="file"; filename="a"', large), 'latin1'),
    ],
    ['a boundary and nothing else', 400, 'malformed_multipart', '--b\r\n'],
    ['a header block without end', 400, 'malformed_multipart', `--b\r\nX: ${'x'.repeat(9_000)}`],
  ]);
});

test('a form with a malformed part is refused and leaves nothing', async (t) => {
  await refused(t, [
    [
      'a part without a name',
      400,
      'malformed_multipart',
      part('form-data; filename="a"', 'x') + END,
    ],
    [
      'a part that is no form-data',
      400,
      'malformed_multipart',
      part('attachment; name="file"; filename="a"', 'x') + END,
    ],
    [
      'a part in base64',
      400,
      'malformed_multipart',
      part(
        'form-data; name="file"; filename="a"',
        'aGk=',
        'Content-Transfer-Encoding: base64\r\n',
      ) + END,
    ],
    [
      'a part without a disposition',
      400,
      'malformed_multipart',
      '--b\r\nContent-Type: text/plain\r\n\r\nx\r\n' + END,
    ],
    [
      'a header that is none',
      400,
      'malformed_multipart',
      `--b\r\nnonsense\r\n${FILE.slice(5)}${END}`,
    ],
  ]);
});

test('a form without exactly one file is refused and leaves nothing', async (t) => {
  await refused(t, [
    ['no part', 400, 'file_missing', END],
    ['a field without a file', 400, 'file_missing', part('form-data; name="file"', 'hello') + END],
    [
      'a file input left empty',
      400,
      'file_missing',
      part('form-data; name="file"; filename=""', '') + END,
    ],
    ['two files', 400, 'too_many_files', FILE + FILE + END],
    [
      'a second file behind a large one',
      400,
      'too_many_files',
      Buffer.from(part('form-data; name="file"; filename="a"', large) + FILE + END, 'latin1'),
    ],
    [
      'an unknown field before',
      400,
      'unknown_field',
      part('form-data; name="title"', 'x') + FILE + END,
    ],
    [
      'an unknown field behind',
      400,
      'unknown_field',
      FILE + part('form-data; name="__proto__"', 'x') + END,
    ],
  ]);
});

test('a malformed file name is refused and leaves nothing', async (t) => {
  await refused(t, [
    [
      'bytes in a name that are not UTF-8',
      400,
      'malformed_multipart',
      Buffer.from(part('form-data; name="file"; filename="\xff"', 'x') + END, 'latin1'),
    ],
    [
      'a NUL in a name',
      400,
      'name_invalid',
      part('form-data; name="file"; filename="a\0.txt"', 'x') + END,
    ],
    [
      'a line break in a name',
      400,
      'name_invalid',
      part('form-data; name="file"; filename="a%0D%0Ab"', 'x') + END,
    ],
    [
      'a reversed name',
      400,
      'name_invalid',
      part('form-data; name="file"; filename="a\u202egpj.exe"', 'x') + END,
    ],
    [
      'half of a surrogate pair in a name',
      400,
      'malformed_multipart',
      Buffer.concat([
        Buffer.from('--b\r\nContent-Disposition: form-data; name="file"; filename="'),
        Buffer.from([0xed, 0xa0, 0x80]),
        Buffer.from('"\r\n\r\nx\r\n--b--'),
      ]),
    ],
    [
      'a name that is a path and nothing else',
      400,
      'name_invalid',
      part('form-data; name="file"; filename="../.."', 'x') + END,
    ],
    [
      'a name that is too long',
      400,
      'name_invalid',
      part(`form-data; name="file"; filename="${'é'.repeat(128)}"`, 'x') + END,
    ],
  ]);
});

test('a file that is too large is refused with 413 and leaves nothing', async (t) => {
  await refused(t, [
    [
      'a file that is too large',
      413,
      'file_too_large',
      Buffer.from(
        part('form-data; name="file"; filename="a"', large + large.slice(0, 1024 ** 2 + 1)) + END,
        'latin1',
      ),
    ],
    [
      'a file that says that it is too large',
      413,
      'file_too_large',
      FILE + END,
      { ...MULTIPART, 'content-length': String(13 * 1024 ** 2) },
    ],
  ]);
});

test('a file of exactly the limit is taken, one byte more is not', async (t) => {
  const fixture = await build(t, { UPLOAD_MAX_BYTES: '100000' });
  const user = await fixture.signIn();
  for (const [size, status] of [
    [100_001, 413],
    [100_000, 201],
  ] as const) {
    const { payload, headers } = await form({ content: randomBytes(size) });
    t.equal(
      (
        await fixture.app.inject({
          method: 'POST',
          url: '/api/files',
          headers: { ...user.headers, ...headers },
          payload,
        })
      ).statusCode,
      status,
    );
  }
});

test('names are the last part of paths, from filename* if present, in NFC', async (t) => {
  const { app, signIn } = await build(t);
  const user: TestUser = await signIn();
  for (const [parameters, name] of [
    ['filename="../../etc/passwd"', 'passwd'],
    ['filename="C:\\fakepath\\report.pdf"', 'report.pdf'],
    ['filename="/abs/x.txt"', 'x.txt'],
    ['filename="a%22b.txt"', 'a"b.txt'],
    ["filename*=UTF-8''%e2%82%ac.txt", '€.txt'],
    ["filename=plain.txt; filename*=UTF-8''na%C3%AFve.txt", 'naïve.txt'],
    ['filename="\\"quoted\\".txt"', '"quoted".txt'],
    ['filename="e\u0301.txt"', 'é.txt'],
    ['filename="👩‍👩‍👧.png"', '👩‍👩‍👧.png'],
    ['filename=" spaced .txt "', 'spaced .txt'],
    ['filename="..hidden"', '..hidden'],
  ] as const) {
    const answer = await app.inject({
      method: 'POST',
      url: '/api/files',
      headers: { ...user.headers, ...MULTIPART },
      payload: part(`form-data; name="file"; ${parameters}`, 'x') + END,
    });
    t.match([answer.statusCode, answer.json().name], [201, name], parameters);
  }
});

test('nobody uploads without signing in', async (t) => {
  const fixture = await build(t);
  const answer = await fixture.app.inject({
    method: 'POST',
    url: '/api/files',
    headers: MULTIPART,
    payload: FILE + END,
  });
  t.strictSame([answer.statusCode, answer.json().code], [401, 'unauthenticated']);
  await nothingLeft(t, fixture);
});
