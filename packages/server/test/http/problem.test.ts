import { once } from 'node:events';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import createError from '@fastify/error';
import type { InjectOptions } from 'fastify';
import { test, type Test } from 'tap';
import { Type } from 'typebox';
import { until } from '@muniment/testing';
import { nullable, strictObject } from '../../src/index.ts';
import { addRoute } from '../add-route.ts';
import { build, checkProblem, type TestServer } from '../build.ts';
import { listen, raw } from '../raw-request.ts';

async function probe(t: Test): Promise<TestServer> {
  const server = await build(t);
  const { app } = server;
  addRoute(app, {
    method: 'POST',
    url: '/things',
    query: strictObject({ limit: Type.Optional(Type.Integer()) }),
    body: strictObject({ name: Type.String({ minLength: 2 }), tag: Type.Optional(Type.String()) }),
    handler: () => ({ ok: true }),
  });
  addRoute(app, { url: '/things/:name', handler: () => ({ ok: true }) });
  addRoute(app, {
    url: '/throws/:what',
    operation: 'things.throw_error',
    handler: ({ params }) => {
      const thrown = THROWN[(params as { what: string }).what];
      throw typeof thrown === 'function' ? thrown() : thrown;
    },
  });
  return server;
}

const THROWN: Record<string, unknown> = {
  plain: () => new Error('relation "identity.secret" does not exist'),
  'bad-gateway': () => Object.assign(new Error('upstream 10.0.0.7 said no'), { statusCode: 502 }),
  nonsense: () => Object.assign(new Error('status of another world'), { statusCode: 200 }),
  'upper-case': () => new (createError('EMAIL_TAKEN', 'This address has an account', 409))(),
  'own-code': () => new (createError('email_taken', 'This address has an account', 409))(),
  'sql-code': () =>
    Object.assign(new Error('a client error that carries an SQLSTATE'), {
      statusCode: 400,
      code: '22P02',
    }),
  later: () =>
    Object.assign(new (createError('too_many_attempts', 'Too many attempts', 429))(), {
      retryAfter: 17,
    }),
  busy: () => new (createError('busy', 'Come back', 503))(),
  'bare-503': () => Object.assign(new Error('pool of 10.0.0.7 is exhausted'), { statusCode: 503 }),
  text: 'only a string',
  nothing: undefined,
  null: null,
  number: 42,
};

test('every way in which a request can be wrong is answered with a problem', async (t) => {
  const { app } = await probe(t);
  const json = { 'content-type': 'application/json' };
  const cases: [string, InjectOptions, number, string][] = [
    ['no such path', { url: '/nowhere' }, 404, 'not_found'],
    ['no such method on a path', { method: 'DELETE', url: '/things' }, 405, 'method_not_allowed'],
    ['malformed percent-encoding', { url: '/things/%zz' }, 400, 'malformed_url'],
    ['percent-encoded bytes that are no UTF-8', { url: '/things/%ff%fe' }, 400, 'malformed_url'],
    ['a parameter past its length', { url: `/things/${'a'.repeat(257)}` }, 414, 'malformed_url'],
    ['no body', { method: 'POST', url: '/things', headers: json }, 400, 'validation_failed'],
    [
      'JSON cut short',
      { method: 'POST', url: '/things', headers: json, payload: '{"name":' },
      400,
      'malformed_json',
    ],
    [
      'a prototype in JSON',
      { method: 'POST', url: '/things', headers: json, payload: '{"name":"abc","__proto__":{}}' },
      400,
      'malformed_json',
    ],
    [
      'a constructor in JSON',
      {
        method: 'POST',
        url: '/things',
        headers: json,
        payload: '{"name":"abc","constructor":{"prototype":{}}}',
      },
      400,
      'malformed_json',
    ],
    [
      'a body past the limit',
      {
        method: 'POST',
        url: '/things',
        headers: json,
        payload: JSON.stringify({ name: 'a'.repeat(70_000) }),
      },
      413,
      'body_too_large',
    ],
    [
      'another content type',
      { method: 'POST', url: '/things', headers: { 'content-type': 'text/plain' }, payload: 'abc' },
      415,
      'unsupported_media_type',
    ],
    [
      'a content type that is none',
      { method: 'POST', url: '/things', headers: { 'content-type': 'json' }, payload: 'abc' },
      415,
      'unsupported_media_type',
    ],
    [
      'a form',
      {
        method: 'POST',
        url: '/things',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        payload: 'name=abc',
      },
      415,
      'unsupported_media_type',
    ],
    ['a missing field', { method: 'POST', url: '/things', payload: {} }, 400, 'validation_failed'],
    [
      'an unknown field',
      { method: 'POST', url: '/things', payload: { name: 'abc', admin: true } },
      400,
      'validation_failed',
    ],
    [
      'a query that is no number',
      { method: 'POST', url: '/things?limit=many', payload: { name: 'abc' } },
      400,
      'validation_failed',
    ],
    [
      'an OPTIONS that nobody allowed',
      {
        method: 'OPTIONS',
        url: '/things',
        headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
      },
      405,
      'method_not_allowed',
    ],
  ];
  for (const [name, request, status, code] of cases) {
    await t.test(name, async (t) => {
      checkProblem(t, await app.inject(request), status, code);
    });
  }
});

test('a failed validation names the place of each fault as a pointer', async (t) => {
  const { app } = await probe(t);
  const missing = await app.inject({ method: 'POST', url: '/things', payload: {} });
  t.match(missing.json(), { errors: [{ pointer: '/name', message: /required/ }] });
  const unknown = await app.inject({
    method: 'POST',
    url: '/things',
    payload: { name: 'abc', admin: true },
  });
  t.match(unknown.json(), { errors: [{ pointer: '/admin' }] });
  const query = await app.inject({
    method: 'POST',
    url: '/things?limit=many',
    payload: { name: 'abc' },
  });
  t.match(query.json(), { errors: [{ pointer: '/querystring/limit' }] });
});

test('a union is refused by one message that names what is allowed', async (t) => {
  const { app } = await build(t);
  addRoute(app, {
    method: 'POST',
    url: '/unions',
    body: strictObject({
      type: Type.Optional(Type.Union([Type.Literal('customer'), Type.Literal('vendor')])),
      size: Type.Optional(nullable(Type.Union([Type.Literal(1), Type.Literal(2)]))),
      kind: Type.Optional(Type.Enum(['a', 'b'])),
      scope: Type.Optional(Type.Literal('own')),
      name: Type.Optional(nullable(Type.String({ minLength: 2 }))),
      inner: Type.Optional(nullable(strictObject({ id: Type.String() }))),
    }),
    handler: () => ({}),
  });
  for (const [payload, pointer, message] of [
    [{ type: 'admin' }, '/type', 'must be one of "customer", "vendor"'],
    [{ type: 1 }, '/type', 'must be one of "customer", "vendor"'],
    [{ size: 3 }, '/size', 'must be one of 1, 2, null'],
    [{ kind: 'c' }, '/kind', 'must be one of "a", "b"'],
    [{ scope: 'all' }, '/scope', 'must be "own"'],
    [{ name: 1 }, '/name', 'must be string or null'],
    [{ name: '' }, '/name', 'must NOT have fewer than 2 characters'],
    [{ inner: {} }, '/inner/id', "must have required property 'id'"],
    [{ inner: 'x' }, '/inner', 'must be object or null'],
  ] as const) {
    const answer = await app.inject({ method: 'POST', url: '/unions', payload });
    const problem = checkProblem(t, answer, 400, 'validation_failed');
    t.strictSame(problem.errors, [{ pointer, message }], JSON.stringify(payload));
    t.match(problem.detail, /^body\/\w+ must/);
  }
});

test('a refused media type is told which one to send', async (t) => {
  const { app } = await probe(t);
  addRoute(app, { method: 'POST', url: '/bodiless', handler: () => ({}) });
  const detail = async (url: string, headers: Record<string, string>) =>
    (await app.inject({ method: 'POST', url, headers, payload: '{"name":"abc"}' })).json().detail;
  const wanted =
    'The body must be application/json. Send it with the header "Content-Type: application/json".';
  for (const type of ['text/plain', 'json', '', 'application/problem+json'])
    t.equal(await detail('/things', { 'content-type': type }), wanted, type);
  t.equal(await detail('/things', {}), wanted);
  const none = 'This route takes no body. Send none, and no Content-Type.';
  t.equal(await detail('/bodiless', { 'content-type': 'text/plain' }), none);
});

test('each 401 says how to authenticate', async (t) => {
  const { app } = await build(t);
  const Wrong = createError('invalid_credentials', 'The password is wrong. Check it.', 401);
  addRoute(app, {
    url: '/wrong',
    handler: () => {
      throw new Wrong();
    },
  });
  const { statusCode, headers } = await app.inject('/wrong');
  t.equal(statusCode, 401);
  t.equal(headers['www-authenticate'], 'Bearer realm="muniment"');
});

test('what a handler throws becomes a problem, and above 500 none of its words get out', async (t) => {
  const { app } = await probe(t);
  const cases: [string, number, string][] = [
    ['plain', 500, 'internal_error'],
    ['bad-gateway', 502, 'internal_error'],
    ['nonsense', 500, 'internal_error'],
    ['text', 500, 'internal_error'],
    ['nothing', 500, 'internal_error'],
    ['null', 500, 'internal_error'],
    ['number', 500, 'internal_error'],
    ['upper-case', 409, 'email_taken'],
    ['own-code', 409, 'email_taken'],
    ['sql-code', 400, 'malformed_request'],
    ['later', 429, 'too_many_attempts'],
    ['busy', 503, 'busy'],
    ['bare-503', 503, 'dependency_unavailable'],
  ];
  for (const [what, status, code] of cases) {
    await t.test(what, async (t) => {
      const answer = await app.inject(`/throws/${what}`);
      checkProblem(t, answer, status, code);
      t.notMatch(answer.body, /identity\.secret|10\.0\.0\.7|another world|only a string|stack/);
    });
  }
});

test('Retry-After is said where an error knows it, and always with a 503', async (t) => {
  const { app } = await probe(t);
  t.equal((await app.inject('/throws/later')).headers['retry-after'], '17');
  t.equal((await app.inject('/throws/busy')).headers['retry-after'], '1');
  t.equal((await app.inject('/throws/own-code')).headers['retry-after'], undefined);
});

test('an error above 500 is logged with its own message under the request id that the caller sees, one below is not', async (t) => {
  const server = await probe(t);
  const logged: { bindings: object; message: string }[] = [];
  server.app.addHook('onRequest', (request, _reply, done) => {
    request.log.error = ((bindings: object, message: string) =>
      void logged.push({ bindings, message })) as typeof request.log.error;
    done();
  });
  const answer = await server.app.inject('/throws/plain');
  t.match(logged, [
    {
      bindings: {
        err: { message: 'relation "identity.secret" does not exist' },
        operation: 'things.throw_error',
      },
      message: 'request failed',
    },
  ]);
  t.match(answer.json().request_id, /^[0-9a-f]{32}$/);
  await server.app.inject('/throws/own-code');
  t.equal(logged.length, 1);
});

test('a 503 is logged with its cause, one line a second for each code however many there are', async (t) => {
  const cause = Object.assign(new Error('connect ECONNREFUSED 10.0.0.7:5432'), {
    code: 'ECONNREFUSED',
  });
  const server = await probe(t);
  const { app } = server;
  addRoute(app, {
    url: '/away',
    operation: 'things.get_away',
    handler: () => {
      throw cause;
    },
  });
  const logged: { err: Error; operation: string; code: string; unlogged: number }[] = [];
  app.addHook('onRequest', (request, _reply, done) => {
    request.log.warn = ((line: (typeof logged)[number]) =>
      void logged.push(line)) as typeof request.log.warn;
    done();
  });
  // A line of an earlier test may have been a moment ago.
  await sleep(1_050);
  for (let i = 0; i < 20; i += 1)
    checkProblem(t, await app.inject('/away'), 503, 'dependency_unavailable');
  t.match(logged, [
    { err: { cause }, operation: 'things.get_away', code: 'dependency_unavailable' },
  ]);
  t.equal(logged.length, 1);
  checkProblem(t, await app.inject('/throws/busy'), 503, 'busy');
  t.match(
    logged[1],
    { err: { message: 'Come back' }, operation: 'things.throw_error', code: 'busy' },
    'another code has a line of its own',
  );
  await sleep(1_050);
  await app.inject('/away');
  t.match(
    logged.slice(2),
    [{ code: 'dependency_unavailable', unlogged: 19 }],
    'and the next one says how many there were',
  );
});

test('bytes that are not HTTP get a problem before the connection ends', async (t) => {
  const { app } = await probe(t);
  const port = await listen(app);
  const cases: [string, string, number, string][] = [
    [
      'headers too large',
      `GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${'a'.repeat(20_000)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
    ['no HTTP at all', 'hello\r\n\r\n', 400, 'malformed_request'],
    [
      'a method that does not exist',
      'BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n',
      400,
      'malformed_request',
    ],
    [
      'a Content-Length that is no number',
      'POST /things HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n',
      400,
      'malformed_request',
    ],
    [
      'a Content-Length below zero',
      'POST /things HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n',
      400,
      'malformed_request',
    ],
    [
      'two Content-Lengths',
      'POST /things HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
      400,
      'malformed_request',
    ],
    [
      'Content-Length beside Transfer-Encoding',
      'POST /things HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'malformed_request',
    ],
    [
      'a chunk that is none',
      'POST /things HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      400,
      'malformed_request',
    ],
    [
      'TRACE, which would echo credentials',
      'TRACE /things HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
      405,
      'method_not_allowed',
    ],
    [
      'a method of WebDAV',
      'PROPFIND /things HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
      405,
      'method_not_allowed',
    ],
    ['no Host', 'GET /things/a HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'malformed_request'],
    [
      'an expectation that nobody meets',
      'GET /things/a HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nConnection: close\r\n\r\n',
      417,
      'malformed_request',
    ],
  ];
  for (const [name, bytes, status, code] of cases) {
    await t.test(name, async (t) => {
      checkProblem(t, await raw(port, bytes), status, code);
    });
  }
});

test('bytes that are not HTTP behind a request whose answer runs end the connection, and nothing is written into that answer', async (t) => {
  const { app } = await probe(t);
  async function* slowBody() {
    for (let i = 0; i < 20; i += 1) {
      yield 'abcdefgh';
      await sleep(20);
    }
  }
  addRoute(app, {
    url: '/stream',
    handler: (_request, reply) => reply.send(Readable.from(slowBody())),
  });
  const port = await listen(app);
  const request = 'GET /stream HTTP/1.1\r\nHost: a\r\n\r\n';
  const socket = connect(port, '127.0.0.1')
    .setEncoding('utf8')
    .on('error', () => {});
  let text = '';
  socket.on('data', (chunk) => {
    text += String(chunk);
  });
  socket.write(request);
  await until(() => text.includes('abcdefgh'));
  socket.write('no http\r\n\r\n');
  await once(socket, 'close');
  t.match(text, /abcdefgh/, 'the answer had begun');
  t.notMatch(text, /malformed_request|HTTP\/1\.1 400/);

  const kept = connect(port, '127.0.0.1').setEncoding('utf8');
  let after = '';
  kept.on('data', (chunk) => {
    after += String(chunk);
  });
  kept.write('GET /things/a HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => after.endsWith('}'));
  kept.write('no http\r\n\r\n');
  await once(kept, 'close');
  t.match(
    after,
    /^HTTP\/1\.1 200[^]*HTTP\/1\.1 400[^]*malformed_request/,
    'behind an answer that has ended, a problem of its own',
  );
});
