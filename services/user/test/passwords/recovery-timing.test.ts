import { test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { buildWithMail } from '../mailbox.ts';
import { timesApart } from '../timing.ts';

test('the time of the answer does not tell whether an account exists', async (t) => {
  const { call, register, rows } = await buildWithMail(t);
  for (let n = 0; n < 10; n += 1) await register(`known-${n}@example.com`);
  const found = await timesApart(async (kind, n) => {
    const answer = await call('POST', '/api/auth/forgot-password', {
      body: { email: `${kind}-${n % 10}@example.com` },
    });
    t.equal(answer.statusCode, 202);
  });
  t.comment(`AUC ${found.toFixed(3)}`);
  t.ok(Math.abs(found - 0.5) < timeBound(0.15, 0.35), `AUC ${found.toFixed(3)}`);
  await until(async () => (await rows('select from identity.recovery_requests')).length === 0, {
    what: 'all are worked off',
  });
});
