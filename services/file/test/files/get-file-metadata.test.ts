import { test } from 'tap';
import { build } from '../build.ts';
import { upload } from '../forms.ts';

test('the metadata of a file are what its upload answered', async (t) => {
  const { app, signIn } = await build(t);
  const user = await signIn();
  const file = await upload(app, user, 'hello');
  const answer = await app.inject({ url: `/api/files/${file.id}/metadata`, headers: user.headers });
  t.equal(answer.statusCode, 200);
  t.strictSame(answer.json(), file);
});
