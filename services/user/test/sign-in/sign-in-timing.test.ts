import { test } from 'tap';
import { timeBound } from '@muniment/testing';
import { build } from '../build.ts';
import { timesApart } from '../timing.ts';

test('the time of a refused login does not tell whether an account exists', async (t) => {
  const { call, register } = await build(t);
  for (let n = 0; n < 10; n += 1) await register(`known-${n}@example.com`);
  const found = await timesApart(async (kind, n) => {
    const answer = await call('POST', '/api/users/login', {
      body: { email: `${kind}-${n % 10}@example.com`, password: 'not the password' },
    });
    t.equal(answer.statusCode, 401);
  });
  t.comment(`AUC ${found.toFixed(3)}`);
  t.ok(Math.abs(found - 0.5) < timeBound(0.15, 0.35), `AUC ${found.toFixed(3)}`);
});
