import Fastify from 'fastify';
import { test } from 'tap';
import { requireStatedErrors } from '../src/index.ts';

const errorClass = (code: string) =>
  class extends Error {
    code = code;
    statusCode = 409;
  };
const [Stated, Missing, Common] = [errorClass('A'), errorClass('B'), errorClass('C')];

/** Calls a route that throws the error. @returns what ends the test, if anything */
async function faultOf(Thrown: ReturnType<typeof errorClass>): Promise<unknown> {
  const ends: (() => unknown)[] = [];
  requireStatedErrors({ teardown: (end) => void ends.push(end) }, { Stated, Missing });
  const app = Fastify();
  const config = { definition: { operation: 'things.get_thing', errors: [Stated] } };
  app.get('/', { config: config as never }, async () => {
    throw new Thrown();
  });
  await app.inject('/');
  try {
    for (const end of ends) end();
  } catch (error) {
    return error;
  }
  return undefined;
}

test('an error of the catalogue that a route does not state ends the test', async (t) => {
  t.match(await faultOf(Missing), { message: /things\.get_thing answers 409 B/ });
});

test('stated errors, and errors outside the catalogue, pass', async (t) => {
  t.equal(await faultOf(Stated), undefined);
  t.equal(await faultOf(Common), undefined);
});
