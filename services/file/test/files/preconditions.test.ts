import { test, type Test } from 'tap';
import { build, type Fixture, type TestUser } from '../build.ts';
import { upload } from '../forms.ts';

const LONG_AGO = 'Thu, 01 Jan 1970 00:00:00 GMT';
const FUTURE = 'Fri, 01 Jan 2100 00:00:00 GMT';
const failing = [
  { 'if-match': '"zzz"' },
  { 'if-match': 'zzz' },
  { 'if-none-match': '*' },
  { 'if-unmodified-since': LONG_AGO },
];

interface Parts extends Fixture {
  user: TestUser;
  file: { id: string; etag: string };
}

async function withFile(t: Test): Promise<Parts> {
  const fixture = await build(t);
  const user = await fixture.signIn();
  const file = await upload(fixture.app, user, 'hello', 'a.txt');
  return { ...fixture, user, file: file as unknown as Parts['file'] };
}

const send = (
  { app, user, file }: Parts,
  method: 'PATCH' | 'DELETE',
  headers: Record<string, string>,
) =>
  app.inject({
    method,
    url: `/api/files/${file.id}`,
    headers: { ...user.headers, ...headers },
    ...(method === 'PATCH' && { payload: { name: 'b.txt' } }),
  });

for (const method of ['PATCH', 'DELETE'] as const)
  test(`${method} under a condition that does not hold is 412, and changes nothing`, async (t) => {
    const parts = await withFile(t);
    const rows = () => parts.query('select * from files.files');
    const stored = await rows();
    for (const headers of [...failing, { 'if-none-match': `W/${parts.file.etag}` }]) {
      const answer = await send(parts, method, headers);
      t.strictSame(
        [answer.statusCode, answer.json().code],
        [412, 'precondition_failed'],
        JSON.stringify(headers),
      );
    }
    t.strictSame(await rows(), stored);
    t.strictSame(
      (await parts.events()).map(({ action }) => action),
      ['FILE_UPLOAD'],
    );
  });

for (const method of ['PATCH', 'DELETE'] as const)
  test(`${method} is done under the validators that the download shows`, async (t) => {
    const parts = await withFile(t);
    const { app, user, file } = parts;
    const url = `/api/files/${file.id}`;
    const { headers: shown } = await app.inject({ method: 'HEAD', url, headers: user.headers });
    for (const headers of method === 'PATCH'
      ? [{ 'if-match': '*' }, { 'if-none-match': '"x"' }]
      : [])
      t.equal((await send(parts, method, headers)).statusCode, 200, JSON.stringify(headers));
    const answer = await send(parts, method, {
      'if-match': String(shown.etag),
      'if-unmodified-since': String(shown['last-modified']),
    });
    t.equal(answer.statusCode, method === 'PATCH' ? 200 : 204);
  });

test('of a file that is not there no condition tells: it is 404', async (t) => {
  const parts = await withFile(t);
  const other = { ...parts, user: await parts.signIn() };
  for (const headers of failing)
    for (const method of ['PATCH', 'DELETE'] as const)
      t.equal((await send(other, method, headers)).statusCode, 404, JSON.stringify(headers));
});

test('a change that a condition forbids waits for the one before it', async (t) => {
  const parts = await withFile(t);
  const headers = { 'if-match': parts.file.etag, 'if-unmodified-since': FUTURE };
  const answers = await Promise.all([1, 2, 3].map(() => send(parts, 'DELETE', headers)));
  t.strictSame(
    answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b),
    [204, 404, 404],
  );
});

test('an upload under a condition that does not hold is refused before its bytes', async (t) => {
  const { app, user, stored, events } = await withFile(t);
  const { objects } = await stored();
  const answer = await app.inject({
    method: 'POST',
    url: '/api/files',
    headers: {
      ...user.headers,
      'if-match': '"zzz"',
      'content-type': 'multipart/form-data; boundary=b',
    },
    payload:
      '--b\r\ncontent-disposition: form-data; name="file"; filename="c"\r\n\r\nx\r\n--b--\r\n',
  });
  t.strictSame([answer.statusCode, answer.json().code], [412, 'precondition_failed']);
  t.strictSame((await stored()).objects, objects);
  t.equal((await events()).length, 1);
});
