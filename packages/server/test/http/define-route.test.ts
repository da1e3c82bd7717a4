import createError from '@fastify/error';
import { test, type Test } from 'tap';
import { SCRAPE } from '@muniment/testing';
import { Type } from 'typebox';
import { defineFeature, defineRoute, registerFeatures, type App } from '../../src/index.ts';
import { build, checkProblem } from '../build.ts';

const Gone = createError('gone', 'The thing is gone. Create another.', 410);

const statement = {
  method: 'GET' as const,
  url: '/things/:id',
  operation: 'things.get_thing',
  summary: 'Get one thing.',
  access: 'public' as const,
  params: Type.Object({ id: Type.String() }),
  response: { 200: Type.Object({ id: Type.String() }) },
  errors: [Gone],
};

const getThing = defineRoute({
  ...statement,
  aliases: ['/old-things/:id'],
  handler:
    ({ prefix }: { prefix: string }) =>
    async (request) => {
      if (request.params.id === 'gone') throw new Gone();
      return { id: prefix + request.params.id, secret: 'a field outside the schema' };
    },
});

async function started(t: Test): Promise<App> {
  const { app } = await build(t);
  await registerFeatures(app, { prefix: 'a-' }, [defineFeature({ anyone: [getThing] })]);
  return app;
}

test('a route answers by its path and its aliases, with the fields of its schema', async (t) => {
  const app = await started(t);
  for (const url of ['/things/1', '/old-things/1']) {
    const answer = await app.inject(url);
    t.equal(answer.statusCode, 200);
    t.strictSame(answer.json(), { id: 'a-1' });
  }
  checkProblem(t, await app.inject('/things/gone'), 410, 'gone');
});

test('a route that states no query refuses any', async (t) => {
  const app = await started(t);
  const answer = await app.inject('/things/1?older_than=30d');
  checkProblem(t, answer, 400, 'validation_failed');
});

test('aliases share one operation in the metrics', async (t) => {
  const app = await started(t);
  await app.inject('/things/1');
  await app.inject('/old-things/1');
  const { body } = await app.inject(SCRAPE);
  t.match(body, /operation="things\.get_thing",method="GET",status="200"\} 2/);
});

test('a malformed statement keeps the service from starting', async (t) => {
  const handler = () => async () => ({ id: '1' });
  const faulty = [
    [{ operation: 'things.get' }, /not <tag>\.<verb>_<noun>/],
    [{ summary: 'gets a thing' }, /not a sentence/],
    [{ params: undefined }, /parameters without a schema/],
    [{ response: {} }, /states no response/],
  ] as const;
  for (const [fault, message] of faulty)
    t.throws(() => defineRoute({ ...statement, ...fault, handler } as never), message);
});

test('a route beside defineRoute keeps the service from starting', async (t) => {
  const app = await started(t);
  t.throws(
    () => app.get('/loose', { config: { access: 'public' } }, async () => ''),
    /GET \/loose is not made by defineRoute/,
  );
});

test('two routes of one operation keep the service from starting', async (t) => {
  const app = await started(t);
  const twin = defineRoute({
    ...statement,
    url: '/twins/:id',
    handler: () => async () => ({ id: '' }),
  });
  t.throws(() => twin(app, {}), /two routes are called things\.get_thing/);
});

test('a scope admits only routes whose access fits it', async (t) => {
  const ours = defineRoute({
    ...statement,
    access: { permission: 'files:read' },
    handler: () => async () => ({ id: '' }),
  });
  const admins = defineRoute({
    ...statement,
    access: { permission: 'audit:operate' },
    handler: () => async () => ({ id: '' }),
  });
  const misplaced = [
    { anyone: [ours] },
    { anyone: [admins] },
    { signedIn: [getThing] },
    { signedIn: [admins] },
    { administrators: [ours] },
    { administrators: [getThing] },
  ];
  for (const routes of misplaced) {
    const { app } = await build(t);
    await t.rejects(
      registerFeatures(app, { prefix: '' }, [defineFeature(routes as never)]),
      /is not for/,
    );
  }
  const { app } = await build(t);
  await registerFeatures(app, { prefix: '' }, [
    defineFeature<{ prefix: string }>({ anyone: [getThing] }),
  ]);
});
