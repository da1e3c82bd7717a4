import { test } from 'tap';
import { uuidv7 } from '@muniment/database';
import { build, type Fixture } from '../build.ts';
import { upload } from '../forms.ts';

type Answer = Awaited<ReturnType<Fixture['app']['inject']>>;

async function insertFiles({ query }: Fixture, userId: string, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, i) => uuidv7(Date.UTC(2026, 0, 1) + i));
  await query(
    `insert into files.files (id, user_id, name, size, mime_type, etag, object_key, status)
     select id, $1, 'f', 1, 'text/plain', '"x"', id, 'ready' from unnest($2::uuid[]) as id`,
    [userId, ids],
  );
  return ids.toReversed();
}

test("a list has each of the caller's files once, newest first", async (t) => {
  const fixture = await build(t);
  const { app, signIn } = fixture;
  const [user, other] = [await signIn(), await signIn()];
  await insertFiles(fixture, other.id, 3);
  const expected = await insertFiles(fixture, user.id, 123);

  const seen: string[] = [];
  const sizes: number[] = [];
  let next: string | undefined = '/api/files';
  while (next !== undefined) {
    const answer: Answer = await app.inject({ url: next, headers: user.headers });
    t.equal(answer.statusCode, 200);
    const page: { id: string }[] = answer.json();
    sizes.push(page.length);
    seen.push(...page.map(({ id }) => id));
    next = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers.link ?? ''))?.[1];
  }
  t.strictSame(sizes, [50, 50, 23]);
  t.strictSame(seen, expected);

  const all = await app.inject({ url: '/api/files?limit=123', headers: user.headers });
  t.notOk('link' in all.headers, 'a page that is full and the last has no next one');
});

test('a list has neither unfinished nor deleted files', async (t) => {
  const { app, signIn, query } = await build(t);
  const user = await signIn();
  const file = await upload(app, user, 'hello', 'a.txt', 'text/plain');
  for (const status of ['pending', 'deleted', 'purged']) {
    const { id } = await upload(app, user, 'x');
    await query('update files.files set status = $2 where id = $1', [id, status]);
  }
  const answer = await app.inject({ url: '/api/files', headers: user.headers });
  t.strictSame(answer.json(), [file]);
  t.match(file, {
    user_id: user.id,
    name: 'a.txt',
    size: 5,
    mime_type: 'text/plain',
    scan_status: 'unscanned',
  });
  t.notOk('object_key' in file);
});

test('bad cursors, limits and unknown parameters are 400', async (t) => {
  const { app, signIn } = await build(t);
  const user = await signIn();
  for (const [search, code] of [
    ['limit=0', 'validation_failed'],
    ['limit=201', 'validation_failed'],
    ['limit=x', 'validation_failed'],
    ['limit=1.5', 'validation_failed'],
    ['limit=Infinity', 'validation_failed'],
    ['limit=0x10', 'validation_failed'],
    ['limit=1e1', 'validation_failed'],
    ['limit=', 'validation_failed'],
    ['limit=1&limit=2', 'validation_failed'],
    ['cursor=', 'cursor_invalid'],
    ['cursor=x', 'cursor_invalid'],
    ['cursor=%F0%9F%92%A9', 'cursor_invalid'],
    ['cursor=AAAAAAAAAAAAAAAAAAAAAB', 'cursor_invalid'],
    [`cursor=${'x'.repeat(101)}`, 'validation_failed'],
    ['sort=name', 'validation_failed'],
    ['cursor=%00', 'malformed_text'],
  ] as const) {
    const answer = await app.inject({ url: `/api/files?${search}`, headers: user.headers });
    t.strictSame([answer.statusCode, answer.json().code], [400, code], search);
  }
});

test('a list shows a file exactly as its upload did', async (t) => {
  const { app, signIn, query } = await build(t);
  const user = await signIn();
  const file = await upload(app, user, 'hello', 'a.txt');
  t.strictSame((await app.inject({ url: '/api/files', headers: user.headers })).json(), [file]);
  for (const [stored, shown] of [
    ['2026-03-29 01:59:59+01', '00:59:59.000'],
    ['2026-03-29 12:00:00.1+00', '12:00:00.100'],
    ['2026-03-29 12:00:00.987654+00', '12:00:00.987'],
  ]) {
    await query('update files.files set created = $1, updated = $1', [stored]);
    const [listed] = (await app.inject({ url: '/api/files', headers: user.headers })).json();
    const single = (
      await app.inject({ url: `/api/files/${file.id}/metadata`, headers: user.headers })
    ).json();
    t.strictSame(listed, single);
    t.equal(listed.updated, `2026-03-29T${shown}Z`);
  }
});
