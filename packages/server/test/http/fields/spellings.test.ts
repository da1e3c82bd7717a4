import { test, type Test } from 'tap';
import { Type } from 'typebox';
import { bothSpellings, InvalidFields, nullable, readSpellings } from '../../../src/index.ts';
import { addRoute } from '../../add-route.ts';
import { build, checkProblem, type TestServer } from '../../build.ts';

const FIELDS = {
  city: Type.Optional(Type.String()),
  business_name: Type.Optional(nullable(Type.String({ maxLength: 9 }))),
  employee_count: Type.Optional(Type.Integer({ minimum: 0 })),
};

async function probe(t: Test): Promise<TestServer> {
  const server = await build(t);
  addRoute(server.app, {
    method: 'POST',
    url: '/things',
    body: bothSpellings(FIELDS),
    handler: ({ body }) => readSpellings(body as object, FIELDS, { required: ['business_name'] }),
  });
  return server;
}

test('a body in either spelling is read into one, null too', async (t) => {
  const { app } = await probe(t);
  for (const [payload, read] of [
    [
      { businessName: 'Ada', employeeCount: 0 },
      { business_name: 'Ada', employee_count: 0 },
    ],
    [
      { business_name: 'Ada', city: 'Oslo' },
      { business_name: 'Ada', city: 'Oslo' },
    ],
    [{ businessName: null }, { business_name: null }],
  ]) {
    const answer = await app.inject({ method: 'POST', url: '/things', payload: payload ?? {} });
    t.strictSame(answer.json(), read);
  }
});

test('both spellings of one field are refused with a pointer, also if one is null', async (t) => {
  const { app } = await probe(t);
  for (const payload of [
    { business_name: 'Ada', businessName: 'Ada' },
    { business_name: 'Ada', businessName: null },
  ]) {
    const answer = await app.inject({ method: 'POST', url: '/things', payload });
    checkProblem(t, answer, 400, 'validation_failed');
    t.match(answer.json().errors, [{ pointer: '/businessName' }]);
  }
});

test('a required field that neither spelling names is missed by its name', async (t) => {
  const { app } = await probe(t);
  const answer = await app.inject({ method: 'POST', url: '/things', payload: { city: 'Oslo' } });
  checkProblem(t, answer, 400, 'validation_failed');
  t.strictSame(answer.json().errors, [{ pointer: '/business_name', message: 'is required' }]);
});

test('either spelling obeys the schema, and a third is unknown', async (t) => {
  const { app } = await probe(t);
  for (const [payload, pointer] of [
    [{ businessName: 'much too long' }, '/businessName'],
    [{ employeeCount: -1 }, '/employeeCount'],
    [{ BusinessName: 'Ada' }, '/BusinessName'],
  ] as const) {
    const answer = await app.inject({ method: 'POST', url: '/things', payload });
    checkProblem(t, answer, 400, 'validation_failed');
    t.match(answer.json().errors, [{ pointer }]);
  }
});

test('values that have no meaning are a problem with a pointer to each of them', async (t) => {
  const { app } = await build(t);
  addRoute(app, {
    url: '/faults',
    handler: () => {
      throw new InvalidFields([
        { pointer: '/country', message: 'is no country' },
        { pointer: '/working_days/1', message: 'is no day' },
      ]);
    },
  });
  const answer = await app.inject('/faults');
  checkProblem(t, answer, 400, 'validation_failed');
  t.match(answer.json(), {
    detail: '/country is no country, /working_days/1 is no day',
    errors: [
      { pointer: '/country', message: 'is no country' },
      { pointer: '/working_days/1', message: 'is no day' },
    ],
  });
});
