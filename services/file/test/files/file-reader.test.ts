import { randomUUID } from 'node:crypto';
import { test } from 'tap';
import { build } from '../build.ts';
import { upload } from '../forms.ts';

test('files that are asked for at once go to their owners only', async (t) => {
  const { app, files, signIn } = await build(t);
  const [owner, stranger] = [await signIn(), await signIn()];
  const [first, second] = [await upload(app, owner, 'one'), await upload(app, stranger, 'two')];
  const found = await Promise.all([
    files.findFile({ userId: stranger.id, id: first.id }),
    files.findFile({ userId: owner.id, id: first.id }),
    files.findFile({ userId: owner.id, id: first.id }),
    files.findFile({ userId: owner.id, id: second.id }),
    files.findFile({ userId: owner.id, id: randomUUID() }),
    files.findFile({ userId: stranger.id, id: second.id }),
  ]);
  t.strictSame(
    found.map((file) => file?.id),
    [undefined, first.id, first.id, undefined, undefined, second.id],
  );
});
