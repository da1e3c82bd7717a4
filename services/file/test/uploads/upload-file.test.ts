import { createHash, randomBytes } from 'node:crypto';
import { test } from 'tap';
import { build } from '../build.ts';
import { form } from '../forms.ts';

test('an upload is stored whole, listed and recorded', async (t) => {
  const { app, signIn, query, events, stored } = await build(t);
  const user = await signIn();
  for (const size of [0, 1, 65_536, 5 * 1024 ** 2, 5 * 1024 ** 2 + 1, 12 * 1024 ** 2]) {
    const content = randomBytes(size);
    const { payload, headers } = await form({ filename: `résumé ${size}.bin`, content });
    const answer = await app.inject({
      method: 'POST',
      url: '/api/files',
      headers: { ...user.headers, ...headers },
      payload,
    });
    t.equal(answer.statusCode, 201, answer.body);
    const sha256 = createHash('sha256').update(content).digest('hex');
    t.match(answer.json(), { user_id: user.id, name: `résumé ${size}.bin`, size, sha256 });
    t.equal(answer.headers.location, `/api/files/${answer.json().id}`);
    const [row] = await query<{ status: string; object_key: string }>(
      'select status, object_key from files.files where id = $1',
      [answer.json().id],
    );
    t.equal(row?.status, 'ready');
    t.ok((await stored()).objects.includes(row?.object_key ?? ''));
    const event = (await events()).at(-1);
    t.match(event, {
      action: 'FILE_UPLOAD',
      user_id: user.id,
      resource: answer.json().id,
      resource_type: 'file',
      metadata: { size },
      personal: { filename: `résumé ${size}.bin` },
    });
  }
  t.strictSame((await stored()).uploads, []);
});
