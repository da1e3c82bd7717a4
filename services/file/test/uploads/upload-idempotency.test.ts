import { test } from 'tap';
import { build, type Fixture, type TestUser } from '../build.ts';
import { form } from '../forms.ts';

async function send(
  app: Fixture['app'],
  user: TestUser,
  key: string,
  content: string,
  filename = 'a.txt',
  type = 'text/plain',
) {
  const { payload, headers } = await form({ filename, content, type });
  return app.inject({
    method: 'POST',
    url: '/api/files',
    headers: { ...user.headers, ...headers, 'idempotency-key': key },
    payload,
  });
}

const uploads = async ({ events }: Fixture) =>
  (await events()).filter(({ action }) => action === 'FILE_UPLOAD').length;
const rows = ({ query }: Fixture) =>
  query<{ status: string; name: string }>('select status, name from files.files order by id');

test('an upload repeated under its key is one file, also at another replica', async (t) => {
  const fixture = await build(t);
  const other = await fixture.replica();
  const user = await fixture.signIn();
  const first = await send(fixture.app, user, 'k', 'bytes');
  t.equal(first.statusCode, 201, first.body);
  for (const [app, type] of [
    [fixture.app, 'text/plain'],
    [other.http.app, 'application/octet-stream'],
  ] as const) {
    const again = await send(app, user, 'k', 'bytes', 'a.txt', type);
    t.equal(again.statusCode, 201, again.body);
    t.equal(again.body, first.body);
    t.equal(again.headers.location, first.headers.location);
    t.equal(again.headers['idempotent-replayed'], 'true');
  }
  t.strictSame(await rows(fixture), [{ status: 'ready', name: 'a.txt' }]);
  t.equal(await uploads(fixture), 1);
  t.match(await fixture.stored(), { objects: { length: 1 }, uploads: { length: 0 } });
});

test('other content under a used key is refused and leaves nothing', async (t) => {
  const fixture = await build(t);
  const user = await fixture.signIn();
  await send(fixture.app, user, 'k', 'bytes');
  for (const [content, name] of [
    ['bytes', 'b.txt'],
    ['bytes!', 'a.txt'],
    ['BYTES', 'a.txt'],
  ] as const) {
    t.match((await send(fixture.app, user, 'k', content, name)).json(), {
      status: 422,
      code: 'idempotency_key_reused',
    });
  }
  const stranger = await fixture.signIn();
  t.equal(
    (await send(fixture.app, stranger, 'k', 'theirs')).statusCode,
    201,
    'the key of another is another key',
  );
  t.equal((await rows(fixture)).length, 2);
  t.equal((await fixture.stored()).objects.length, 2);
});

test('two concurrent uploads under one key make one file', async (t) => {
  const fixture = await build(t);
  const other = await fixture.replica();
  const user = await fixture.signIn();
  const answers = await Promise.all([
    send(fixture.app, user, 'k', 'bytes'),
    send(other.http.app, user, 'k', 'bytes'),
  ]);
  t.ok(answers.some(({ statusCode }) => statusCode === 201));
  for (const { statusCode, body } of answers) t.ok(statusCode === 201 || statusCode === 409, body);
  t.strictSame(
    (await rows(fixture)).filter(({ status }) => status === 'ready'),
    [{ status: 'ready', name: 'a.txt' }],
  );
  t.equal((await fixture.stored()).objects.length, 1);
  t.equal(await uploads(fixture), 1);
  t.equal((await send(other.http.app, user, 'k', 'bytes')).statusCode, 201);
  t.equal(await uploads(fixture), 1);
});

test('an upload that failed leaves its key free', async (t) => {
  const fixture = await build(t);
  const user = await fixture.signIn();
  fixture.s3.proxy.mode('refuse');
  t.equal((await send(fixture.app, user, 'k', 'bytes')).statusCode, 503);
  fixture.s3.proxy.mode('pass');
  t.equal((await send(fixture.app, user, 'k', 'other bytes')).statusCode, 201);
  t.equal((await rows(fixture)).filter(({ status }) => status === 'ready').length, 1);
});
