import { test, type Test } from 'tap';
import { Type } from 'typebox';
import { strictObject } from '../../src/index.ts';
import { addRoute } from '../add-route.ts';
import { build, checkProblem, type TestServer } from '../build.ts';
import { listen, raw } from '../raw-request.ts';

async function echo(t: Test): Promise<TestServer> {
  const server = await build(t);
  addRoute(server.app, { method: 'POST', url: '/echo', handler: ({ body }) => ({ body }) });
  return server;
}

const headers = { 'content-type': 'application/json' };

test('text that PostgreSQL or canonical JSON cannot hold is refused wherever it hides', async (t) => {
  const { app } = await echo(t);
  const cases: [string, string | Buffer][] = [
    ['NUL in a value', String.raw`{"name":"a\u0000b"}`],
    ['NUL in a name', String.raw`{"a\u0000b":1}`],
    ['NUL deep within', String.raw`{"a":[{"b":["x",{"c":"\u0000"}]}]}`],
    ['half of a surrogate pair', String.raw`{"name":"\ud800"}`],
    ['the other half', String.raw`{"name":"\udc00x"}`],
    ['a half in a name', String.raw`{"\ud83d":1}`],
    ['a NUL that is the whole body', String.raw`"\u0000"`],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0xfe, 0x22])],
    ['a surrogate in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ['an overlong slash', Buffer.from([0x22, 0xc0, 0xaf, 0x22])],
  ];
  for (const [name, payload] of cases) {
    await t.test(name, async (t) => {
      checkProblem(
        t,
        await app.inject({ method: 'POST', url: '/echo', headers, payload }),
        400,
        'malformed_text',
      );
    });
  }
});

test('NUL in a path or a query is refused', async (t) => {
  const { app } = await echo(t);
  checkProblem(t, await app.inject('/echo/%00'), 400, 'malformed_text');
  checkProblem(t, await app.inject('/echo?name=a%00b'), 400, 'malformed_text');
});

test('a number past the largest is malformed JSON, wherever it hides, and no other number is', async (t) => {
  const { app } = await echo(t);
  for (const payload of [
    '1e999',
    '{"a":[{"b":-1E400}]}',
    `{"a":${'9'.repeat(400)}}`,
    String.raw`{"a":"\u00e9","b":1e999}`,
  ]) {
    checkProblem(
      t,
      await app.inject({ method: 'POST', url: '/echo', headers, payload }),
      400,
      'malformed_json',
    );
  }
  for (const payload of ['{"name":"1e999"}', '{"a":1e308}', `{"name":"${'9'.repeat(400)}"}`])
    t.equal(
      (await app.inject({ method: 'POST', url: '/echo', headers, payload })).statusCode,
      200,
      payload,
    );
});

test('a raw NUL in JSON is malformed JSON', async (t) => {
  const { app } = await echo(t);
  checkProblem(
    t,
    await app.inject({ method: 'POST', url: '/echo', headers, payload: '{"name":"a\0b"}' }),
    400,
    'malformed_json',
  );
});

test('all text that can be stored arrives unchanged, escaped or not', async (t) => {
  const { app } = await echo(t);
  for (const [sent, arrives] of [
    [String.raw`"\ud83d\ude00 \u00e9 \u0001"`, '😀 é \u0001'],
    ['"😀 é"', '😀 é'],
    [String.raw`"a\\u0000b"`, String.raw`a\u0000b`],
    ['null', null],
    ['[]', []],
  ] as const) {
    const answer = await app.inject({ method: 'POST', url: '/echo', headers, payload: sent });
    t.strictSame(answer.json(), { body: arrives });
  }
});

test('a body of little but brackets is walked to its innermost value, without overflowing the stack', async (t) => {
  const { app } = await echo(t);
  const depth = 31_000;
  const payload = `${'['.repeat(depth)}"\\u0000"${']'.repeat(depth)}`;
  checkProblem(
    t,
    await app.inject({ method: 'POST', url: '/echo', headers, payload }),
    400,
    'malformed_text',
  );
});

test('a name that would reach a prototype is refused, escaped or not', async (t) => {
  const { app } = await echo(t);
  for (const payload of [
    '{"__proto__":{"admin":true}}',
    String.raw`{"\u005f_proto__":{"admin":true}}`,
    '{"a":[{"__proto__":1}]}',
    '{"constructor":{"prototype":{"admin":true}}}',
  ]) {
    checkProblem(
      t,
      await app.inject({ method: 'POST', url: '/echo', headers, payload }),
      400,
      'malformed_json',
    );
  }
  t.notOk('admin' in {});
});

test('zero bytes are no body, whatever their type is called', async (t) => {
  const { app } = await echo(t);
  const port = await listen(app);
  const start = 'POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: ';
  const form = 'multipart/form-data; boundary=b';
  for (const [type, rest] of [
    ['application/json', 'Content-Length: 0\r\n\r\n'],
    ['text/plain', 'Content-Length: 0\r\n\r\n'],
    ['nonsense', 'Content-Length: 0\r\n\r\n'],
    [form, 'Content-Length: 0\r\n\r\n'],
    ['application/json', '\r\n'],
    ['nonsense', '\r\n'],
    ['application/json', 'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['text/plain', 'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    [form, 'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ] as const) {
    const { statusCode, body } = await raw(port, `${start}${type}\r\n${rest}`);
    t.equal(statusCode, 200, `${type}, ${rest} ${body}`);
  }
});

test('a route that needs a body refuses zero bytes as a missing one', async (t) => {
  const { app } = await build(t);
  addRoute(app, {
    method: 'POST',
    url: '/strict',
    body: strictObject({ name: Type.String() }),
    handler: () => ({}),
  });
  const answer = await app.inject({ method: 'POST', url: '/strict', headers, payload: '' });
  checkProblem(t, answer, 400, 'validation_failed');
});
