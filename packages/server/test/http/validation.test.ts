import { test, type Test } from 'tap';
import { Type } from 'typebox';
import { dateTime, nullable, strictObject, uuid } from '../../src/index.ts';
import { addRoute } from '../add-route.ts';
import { build, checkProblem, type TestServer } from '../build.ts';

const UUID = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';

async function probe(t: Test): Promise<TestServer> {
  const server = await build(t);
  addRoute(server.app, {
    method: 'POST',
    url: '/things/:number',
    params: Type.Object({ number: Type.Integer({ minimum: 1 }) }),
    query: strictObject({
      limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
      all: Type.Optional(Type.Boolean()),
      before: Type.Optional(dateTime),
    }),
    body: strictObject({
      text: Type.Optional(Type.String()),
      count: Type.Optional(Type.Integer()),
      flag: Type.Optional(Type.Boolean()),
      list: Type.Optional(Type.Array(Type.String())),
      nothing: Type.Optional(nullable(Type.String())),
      id: Type.Optional(uuid),
      at: Type.Optional(dateTime),
    }),
    handler: ({ params, query, body }) => ({ params, query, body }),
  });
  return server;
}

test('a body is taken as it is typed: nothing is converted, wrapped, dropped or filled in', async (t) => {
  const { app } = await probe(t);
  const wrong: Record<string, unknown>[] = [
    { text: 1 },
    { text: true },
    { text: null },
    { text: ['a'] },
    { count: '1' },
    { count: true },
    { count: null },
    { count: 1.5 },
    { flag: 'true' },
    { flag: 1 },
    { flag: 0 },
    { flag: null },
    { list: 'a' },
    { list: [1] },
    { nothing: 0 },
    { nothing: false },
    { unknown: 1 },
  ];
  for (const payload of wrong)
    checkProblem(
      t,
      await app.inject({ method: 'POST', url: '/things/1', payload }),
      400,
      'validation_failed',
    );
  for (const payload of ['"text"', '[]', '1', 'null']) {
    checkProblem(
      t,
      await app.inject({
        method: 'POST',
        url: '/things/1',
        headers: { 'content-type': 'application/json' },
        payload,
      }),
      400,
      'validation_failed',
    );
  }
  const right = { text: '1', count: 1, flag: true, list: ['a'], nothing: null };
  t.strictSame(
    (await app.inject({ method: 'POST', url: '/things/1', payload: right })).json().body,
    right,
  );
});

test('what can only arrive as text is converted, and defaults are filled in', async (t) => {
  const { app } = await probe(t);
  t.strictSame(
    (await app.inject({ method: 'POST', url: '/things/7?limit=5&all=true', payload: {} })).json(),
    { params: { number: 7 }, query: { limit: 5, all: true }, body: {} },
  );
  t.strictSame((await app.inject({ method: 'POST', url: '/things/7', payload: {} })).json().query, {
    limit: 20,
  });
  for (const url of [
    '/things/seven',
    '/things/0',
    '/things/1.5',
    '/things/7?limit=0',
    '/things/7?limit=101',
    '/things/7?limit=5&limit=6',
    '/things/7?all=yes',
    '/things/7?other=1',
  ]) {
    checkProblem(
      t,
      await app.inject({ method: 'POST', url, payload: {} }),
      400,
      'validation_failed',
    );
  }
});

test("a query's integer is decimal digits, and safe", async (t) => {
  const { app } = await build(t);
  addRoute(app, {
    url: '/numbers/:number',
    params: Type.Object({ number: Type.Integer() }),
    query: strictObject({ after: Type.Optional(Type.Integer()) }),
    handler: ({ params, query }) => ({ params, query }),
  });
  const numbers = { '7': 7, '-7': -7, '-0': 0, '007': 7, '9007199254740991': 2 ** 53 - 1 };
  for (const [text, value] of Object.entries(numbers))
    t.strictSame(
      (await app.inject(`/numbers/${text}?after=${text}`)).json(),
      { params: { number: value }, query: { after: value } },
      text,
    );
  for (const text of [
    'Infinity',
    '-Infinity',
    'NaN',
    '0x10',
    '0b1',
    '0o7',
    '1e1',
    '1e999',
    '1.0',
    '1.',
    '+1',
    '--1',
    '-',
    '%201',
    '1%20',
    '1%0A',
    '1_000',
    '1n',
    '%D9%A1',
    'true',
    'null',
    '9007199254740992',
    '-9007199254740992',
    '9'.repeat(400),
  ])
    for (const url of [`/numbers/1?after=${text}`, `/numbers/${text}`])
      if (url.length < 256) checkProblem(t, await app.inject(url), 400, 'validation_failed');
  for (const query of ['after=', 'after', 'after=1&after=1', 'after[]=1'])
    checkProblem(t, await app.inject(`/numbers/1?${query}`), 400, 'validation_failed');
});

test('a boolean in a query is true or false, and nothing else', async (t) => {
  const { app } = await probe(t);
  for (const text of ['1', '0', 'True', 'FALSE', '', 'null', 'toString', '__proto__'])
    checkProblem(
      t,
      await app.inject({ method: 'POST', url: `/things/1?all=${text}`, payload: {} }),
      400,
      'validation_failed',
    );
});

test('an id in a path is read in lower case, and nothing else is', async (t) => {
  const { app } = await build(t);
  addRoute(app, { url: '/things/:id/:name', handler: ({ params }) => params });
  const id = '0198A000-0000-7000-8000-00000000000A';
  t.strictSame((await app.inject(`/things/${id}/Name`)).json(), {
    id: id.toLowerCase(),
    name: 'Name',
  });
});

test('a time is a real one of RFC 3339 with a zone', async (t) => {
  const { app } = await probe(t);
  for (const at of [
    '2026-01-31T23:59:59Z',
    '2026-01-31T23:59:59.123456Z',
    '2026-01-31T23:59:59+05:30',
    '2024-02-29T00:00:00Z',
    '0001-01-01T00:00:00Z',
    '9999-12-31T23:59:59-15:59',
  ]) {
    t.equal(
      (await app.inject({ method: 'POST', url: '/things/1', payload: { at } })).statusCode,
      200,
      at,
    );
  }
  for (const at of [
    '2026-01-31',
    '2026-01-31T23:59:59',
    '2026-01-31 23:59:59Z',
    '2026-13-01T00:00:00Z',
    '2026-01-32T00:00:00Z',
    '2026-01-31T25:00:00Z',
    '2026-01-31T23:60:00Z',
    '2026-01-31T23:59:59+99:00',
    '2026-02-30T00:00:00Z',
    '2025-02-29T00:00:00Z',
    '2026-01-31T24:00:00Z',
    '2026-00-01T00:00:00Z',
    '0000-01-01T00:00:00Z',
    '2026-01-31T23:59:59+16:00',
    'now',
    '',
    '1769903999',
  ]) {
    t.equal(
      (await app.inject({ method: 'POST', url: '/things/1', payload: { at } })).statusCode,
      400,
      at,
    );
  }
});

test('a time in a query may stand as it is written, with the plus of its zone encoded', async (t) => {
  const { app } = await probe(t);
  t.equal(
    (
      await app.inject({
        method: 'POST',
        url: '/things/1?before=2026-01-31T23:59:59Z',
        payload: {},
      })
    ).statusCode,
    200,
  );
  t.equal(
    (
      await app.inject({
        method: 'POST',
        url: '/things/1?before=2026-01-31T23:59:59%2B05:30',
        payload: {},
      })
    ).statusCode,
    200,
  );
  t.equal(
    (await app.inject({ method: 'POST', url: '/things/1?before=yesterday', payload: {} }))
      .statusCode,
    400,
  );
});

test('a UUID has its hyphens and nothing around it', async (t) => {
  const { app } = await probe(t);
  for (const id of [UUID, UUID.toUpperCase()])
    t.equal(
      (await app.inject({ method: 'POST', url: '/things/1', payload: { id } })).statusCode,
      200,
      id,
    );
  for (const id of [
    UUID.replaceAll('-', ''),
    `{${UUID}}`,
    `urn:uuid:${UUID}`,
    `${UUID}\n`,
    ` ${UUID}`,
    UUID.slice(1),
    UUID.replace('a', 'g'),
    '',
  ]) {
    t.equal(
      (await app.inject({ method: 'POST', url: '/things/1', payload: { id } })).statusCode,
      400,
      id,
    );
  }
});
