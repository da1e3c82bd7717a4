import { test } from 'tap';
import { build } from '../build.ts';
import { upload } from '../forms.ts';

test('a rename changes the name alone, and is an event', async (t) => {
  const { app, signIn, events } = await build(t);
  const user = await signIn();
  const file = await upload(app, user, 'hello', 'old.txt', 'text/plain');
  const answer = await app.inject({
    method: 'PATCH',
    url: `/api/files/${file.id}`,
    headers: user.headers,
    payload: { name: 'ne\u0301w.txt' },
  });
  t.equal(answer.statusCode, 200);
  t.strictSame({ ...answer.json(), updated: '' }, { ...file, name: 'néw.txt', updated: '' });
  t.match((await events()).at(-1), {
    action: 'FILE_RENAMED',
    user_id: user.id,
    resource: file.id,
    metadata: {},
    personal: { filename: 'néw.txt' },
  });
  t.match(
    (await app.inject({ method: 'HEAD', url: `/api/files/${file.id}`, headers: user.headers }))
      .headers['content-disposition'],
    /n%C3%A9w\.txt$/,
  );
});

test('what is no name is refused and changes nothing', async (t) => {
  const { app, signIn, events } = await build(t);
  const user = await signIn();
  const file = await upload(app, user, 'hello');
  for (const [payload, status, code] of [
    ['{"name":"a/b"}', 400, 'name_invalid'],
    ['{"name":"../x"}', 400, 'name_invalid'],
    ['{"name":"C:\\\\x"}', 400, 'name_invalid'],
    ['{"name":".."}', 400, 'name_invalid'],
    ['{"name":" "}', 400, 'name_invalid'],
    ['{"name":""}', 400, 'validation_failed'],
    ['{"name":"a\\u0000b"}', 400, 'malformed_text'],
    ['{"name":"\\ud800"}', 400, 'malformed_text'],
    ['{"name":"a\\nb"}', 400, 'name_invalid'],
    [JSON.stringify({ name: 'x'.repeat(256) }), 400, 'name_invalid'],
    [JSON.stringify({ name: 'x'.repeat(2_000) }), 400, 'validation_failed'],
    ['{"name":1}', 400, 'validation_failed'],
    ['{}', 400, 'validation_failed'],
    ['{"name":"a","size":3}', 400, 'validation_failed'],
    ['{"name"', 400, 'malformed_json'],
    ['[]', 400, 'validation_failed'],
  ] as const) {
    const answer = await app.inject({
      method: 'PATCH',
      url: `/api/files/${file.id}`,
      headers: { ...user.headers, 'content-type': 'application/json' },
      payload,
    });
    t.strictSame([answer.statusCode, answer.json().code], [status, code], payload.slice(0, 40));
  }
  t.equal(
    (
      await app.inject({
        method: 'PATCH',
        url: `/api/files/${file.id}`,
        headers: { ...user.headers, 'content-type': 'text/plain' },
        payload: 'x',
      })
    ).statusCode,
    415,
  );
  t.equal(
    (
      await app.inject({
        method: 'PATCH',
        url: '/api/files/not-a-uuid',
        headers: user.headers,
        payload: { name: 'x' },
      })
    ).statusCode,
    400,
  );
  t.strictSame(
    (await app.inject({ url: `/api/files/${file.id}/metadata`, headers: user.headers })).json(),
    file,
  );
  t.equal((await events()).length, 1);
});
