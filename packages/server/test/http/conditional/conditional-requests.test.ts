import { test, type Test } from 'tap';
import { Type } from 'typebox';
import { defineRoute, requirePreconditions, validatorFields } from '../../../src/index.ts';
import { addRoute } from '../../add-route.ts';
import { build, checkProblem, type TestServer } from '../../build.ts';

const EVENT = { action: 'PROFILE_UPDATE', subject: { address: 'somebody' } };
const MODIFIED = new Date('2026-03-01T12:00:00Z');
const [before, same] = ['Sun, 01 Mar 2026 11:59:59 GMT', 'Sun, 01 Mar 2026 12:00:00 GMT'];

/** A readable thing with validators, a list without, and a path that only takes POST. */
async function probe(t: Test): Promise<TestServer & { handled: () => number }> {
  const server = await build(t);
  let handled = 0;
  const handler = () => {
    handled += 1;
    return { ok: true };
  };
  addRoute(server.app, {
    url: '/thing',
    handler: (_request, reply) => {
      reply.headers(validatorFields({ etag: '"abc"', lastModified: MODIFIED }));
      return handler();
    },
  });
  addRoute(server.app, { url: '/list', handler });
  addRoute(server.app, { method: 'POST', url: '/list', handler });
  addRoute(server.app, { method: 'POST', url: '/action', handler });
  return { ...server, handled: () => handled };
}

test('a read by GET or HEAD is 304 where the client has what the answer shows', async (t) => {
  const { app } = await probe(t);
  for (const headers of [
    { 'if-none-match': '"abc"' },
    { 'if-none-match': 'W/"abc"' },
    { 'if-none-match': '"x", "abc"' },
    { 'if-none-match': '*' },
    { 'if-modified-since': same },
  ])
    for (const method of ['GET', 'HEAD'] as const) {
      const answer = await app.inject({ method, url: '/thing', headers });
      t.equal(answer.statusCode, 304, `${method} ${JSON.stringify(headers)}`);
      t.match(answer.headers, { etag: '"abc"', 'last-modified': same });
      t.notHas(answer.headers, { 'content-length': String });
      t.notHas(answer.headers, { 'content-type': String });
      t.equal(answer.body, '');
    }
  for (const headers of [{ 'if-none-match': '"x"' }, { 'if-modified-since': before }]) {
    const answer = await app.inject({ url: '/thing', headers });
    t.equal(answer.statusCode, 200, JSON.stringify(headers));
    t.strictSame(answer.json(), { ok: true });
  }
});

test('a read of another state than the request demands is 412', async (t) => {
  const { app } = await probe(t);
  for (const headers of [{ 'if-match': '"x"' }, { 'if-unmodified-since': before }])
    checkProblem(t, await app.inject({ url: '/thing', headers }), 412, 'precondition_failed');
  checkProblem(
    t,
    await app.inject({ url: '/list', headers: { 'if-match': '"x"' } }),
    412,
    'precondition_failed',
  );
  t.equal((await app.inject({ url: '/list', headers: { 'if-match': '*' } })).statusCode, 200);
  t.equal((await app.inject({ url: '/absent', headers: { 'if-match': '"x"' } })).statusCode, 404);
});

test('a change whose condition does not hold is 412 before its handler', async (t) => {
  const { app, handled } = await probe(t);
  for (const [url, headers] of [
    ['/list', { 'if-match': '"zzz"' }],
    ['/list', { 'if-none-match': '*' }],
    ['/action', { 'if-match': '"zzz"' }],
    ['/action', { 'if-match': '*' }],
  ] as const) {
    const answer = await app.inject({ method: 'POST', url, headers });
    checkProblem(t, answer, 412, 'precondition_failed');
  }
  t.equal(handled(), 0);
  for (const [url, headers] of [
    ['/list', { 'if-match': '*' }],
    ['/list', { 'if-none-match': '"zzz"' }],
    ['/action', { 'if-none-match': '*' }],
    ['/action', { 'if-modified-since': same }],
  ] as const)
    t.equal((await app.inject({ method: 'POST', url, headers })).statusCode, 200, url);
});

test('a stored answer is not repeated to a request whose condition does not hold', async (t) => {
  const { app, inTransaction } = await build(t);
  addRoute(app, {
    method: 'POST',
    url: '/keyed',
    handler: (request) =>
      inTransaction(request, async (_trx, record) => ({ id: await record(EVENT) })),
  });
  const post = (headers: Record<string, string>) =>
    app.inject({ method: 'POST', url: '/keyed', headers: { 'idempotency-key': 'k', ...headers } });
  t.equal((await post({})).statusCode, 200);
  checkProblem(t, await post({ 'if-match': '"zzz"' }), 412, 'precondition_failed');
  t.equal((await post({})).headers['idempotent-replayed'], 'true');
});

test('a condition that fails in a transaction rolls it back, with its event', async (t) => {
  const { app, inTransaction, events } = await build(t);
  const endpoint = defineRoute({
    method: 'PATCH',
    url: '/things/:id',
    operation: 'things.change_thing',
    summary: 'Change a thing.',
    access: 'public',
    params: Type.Object({ id: Type.String() }),
    response: { 204: Type.Null() },
    errors: [],
    preconditions: 'handler',
    handler: () => async (request, reply) => {
      await inTransaction(request, async (_trx, record) => {
        await record(EVENT);
        requirePreconditions(request, { etag: '"abc"' });
      });
      return reply.code(204).send(null);
    },
  });
  endpoint(app, undefined);
  const change = (tag: string) =>
    app.inject({ method: 'PATCH', url: '/things/1', headers: { 'if-match': tag } });
  checkProblem(t, await change('"zzz"'), 412, 'precondition_failed');
  t.strictSame(await events(), []);
  t.equal((await change('"abc"')).statusCode, 204);
  t.equal((await events()).length, 1);
});

test('a change of a named resource does not start without its own conditions', (t) => {
  const definition = {
    method: 'DELETE' as const,
    url: '/things/:id',
    operation: 'things.delete_thing',
    summary: 'Delete a thing.',
    access: 'public' as const,
    params: Type.Object({ id: Type.String() }),
    response: { 204: Type.Null() },
    errors: [],
    handler: () => () => null,
  };
  t.throws(() => defineRoute(definition), /must evaluate preconditions/);
  t.doesNotThrow(() => defineRoute({ ...definition, preconditions: 'handler' }));
  t.end();
});
