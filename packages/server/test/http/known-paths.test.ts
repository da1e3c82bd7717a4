import { test, type Test } from 'tap';
import { Type } from 'typebox';
import { addRoute } from '../add-route.ts';
import { build, checkProblem, type TestServer } from '../build.ts';

const handler = () => ({});
const params = Type.Object({ id: Type.String() });

async function probe(t: Test): Promise<TestServer> {
  const server = await build(t);
  const { app } = server;
  addRoute(app, { url: '/things', handler });
  addRoute(app, { method: 'POST', url: '/things', handler });
  addRoute(app, { url: '/things/:id', params, handler });
  addRoute(app, { method: 'POST', url: '/things/me', handler });
  addRoute(app, { url: '/things/:id/a.b', params, handler });
  addRoute(app, { url: '/tree/*', handler });
  addRoute(app, { url: '/socket', options: { exposeHeadRoute: false }, handler });
  return server;
}

test('another method of a known path is 405, with those that it takes', async (t) => {
  const { app } = await probe(t);
  for (const [method, url, allow] of [
    ['PUT', '/things', 'GET, HEAD, POST'],
    ['DELETE', '/things?limit=1', 'GET, HEAD, POST'],
    ['OPTIONS', '/things', 'GET, HEAD, POST'],
    ['PATCH', '/things/7', 'GET, HEAD'],
    ['DELETE', '/things/me', 'GET, HEAD, POST'],
    ['DELETE', '/things/%41', 'GET, HEAD'],
    ['PUT', '/%74hings', 'GET, HEAD, POST'],
    ['POST', '/things/7/a.b', 'GET, HEAD'],
    ['POST', '/tree/a/b', 'GET, HEAD'],
    ['HEAD', '/socket', 'GET'],
    ['POST', '/health/live', 'GET, HEAD'],
  ] as const) {
    const answer = await app.inject({ method, url });
    t.equal(answer.headers.allow, allow, `${method} ${url}`);
    if (method === 'HEAD') t.equal(answer.statusCode, 405);
    else checkProblem(t, answer, 405, 'method_not_allowed');
  }
});

test('an unknown path is 404 with any method, and allows nothing', async (t) => {
  const { app } = await probe(t);
  for (const [method, url] of [
    ['GET', '/nothing'],
    ['DELETE', '/thing'],
    ['PUT', '/things/'],
    ['PUT', '/things/7/8'],
    ['PUT', '/things/7/axb'],
    ['POST', '/a/things'],
    ['OPTIONS', '/nothing'],
  ] as const) {
    const answer = await app.inject({ method, url });
    checkProblem(t, answer, 404, 'not_found');
    t.equal(answer.headers.allow, undefined, `${method} ${url}`);
  }
});

test('a method that no route takes is refused before its body is read', async (t) => {
  const { app } = await probe(t);
  for (const [payload, type] of [
    ['{"a":', 'application/json'],
    ['abc', 'text/plain'],
    ['x'.repeat(100_000), 'application/json'],
  ] as const) {
    const headers = { 'content-type': type };
    const answer = await app.inject({ method: 'PUT', url: '/things', headers, payload });
    checkProblem(t, answer, 405, 'method_not_allowed');
  }
});
