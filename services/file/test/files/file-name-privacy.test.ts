import { test } from 'tap';
import { build } from '../build.ts';
import { upload } from '../forms.ts';

test("file names in events are readable only with the user's key", async (t) => {
  const { app, signIn, query, events } = await build(t);
  const user = await signIn();
  const { id } = await upload(app, user, 'x', 'divorce.pdf');
  const url = `/api/files/${id}`;
  for (const ask of [
    { method: 'GET', url },
    { method: 'PATCH', url, payload: { name: 'divorce-2.pdf' } },
    { method: 'DELETE', url },
  ] as const)
    await app.inject({ ...ask, headers: user.headers });
  t.match(
    (await events()).map(({ action, personal }) => [action, personal.filename]),
    [
      ['FILE_UPLOAD', 'divorce.pdf'],
      ['FILE_DOWNLOAD', 'divorce.pdf'],
      ['FILE_RENAMED', 'divorce-2.pdf'],
      ['FILE_DELETE', 'divorce-2.pdf'],
    ],
  );
  t.strictSame(await query(`select head from files.outbox o where o::text ilike '%divorce%'`), []);
});
