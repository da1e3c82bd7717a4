import { test } from 'tap';
import { until } from '@muniment/testing';
import { build } from '../build.ts';
import { upload } from '../forms.ts';

test('a deleted file disappears at once, and its bytes are removed', async (t) => {
  const { app, signIn, events, query, stored, listen } = await build(t);
  const user = await signIn();
  const [file, kept] = [await upload(app, user, 'hello', 'a.txt'), await upload(app, user, 'kept')];
  const answers = await Promise.all(
    [1, 2, 3].map(() =>
      app.inject({ method: 'DELETE', url: `/api/files/${file.id}`, headers: user.headers }),
    ),
  );
  t.strictSame(
    answers.map(({ statusCode }) => statusCode).sort((a, b) => a - b),
    [204, 404, 404],
  );
  t.equal(answers.find(({ statusCode }) => statusCode === 204)?.body, '');
  t.equal(
    (await app.inject({ url: `/api/files/${file.id}`, headers: user.headers })).statusCode,
    404,
  );
  const deletions = (await events()).filter(({ action }) => action === 'FILE_DELETE');
  t.match(deletions, [
    { user_id: user.id, resource: file.id, metadata: { size: 5 }, personal: { filename: 'a.txt' } },
  ]);
  t.equal(deletions.length, 1);

  await listen();
  await until(async () => (await stored()).objects.length <= 1);
  const [left] = await query<{ object_key: string }>(
    'select object_key from files.files where id = $1',
    [kept.id],
  );
  t.strictSame((await stored()).objects, [left?.object_key]);
  t.match(await query('select status, name, sha256 from files.files where id = $1', [file.id]), [
    { status: 'purged', name: '', sha256: null },
  ]);
});
