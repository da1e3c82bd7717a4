import { test } from 'tap';
import { buildWithMail, until } from '../mailbox.ts';

/** Probability that a random member of `a` is larger than one of `b`, ties half: 0.5 when they cannot be told apart. */
function auc(a: readonly number[], b: readonly number[]): number {
  const wins = a.reduce((sum, x) => sum + b.reduce((inner, y) => inner + (x > y ? 1 : x === y ? 0.5 : 0), 0), 0);
  return wins / (a.length * b.length);
}

// `make test-long` takes thousands. With 150 of each the standard error is 0.033, so the bound is four and a half of them away.
const ROUNDS = Number(process.env.TIMING_ROUNDS) || 150;

test('how long the answer takes does not tell whether there is an account', async (t) => {
  const { call, register, rows } = await buildWithMail(t);
  for (let n = 0; n < 10; n += 1) await register(`known-${n}@example.com`);
  const times = { known: [] as number[], unknown: [] as number[] };
  const ask = async (kind: keyof typeof times, n: number): Promise<void> => {
    const begin = performance.now();
    const answer = await call('POST', '/api/auth/forgot-password', { body: { email: `${kind}-${n % 10}@example.com` } });
    times[kind].push(performance.now() - begin);
    t.equal(answer.statusCode, 202);
  };
  for (let n = 0; n < 20; n += 1) await ask(n % 2 ? 'known' : 'unknown', n);
  times.known.length = 0;
  times.unknown.length = 0;
  for (let n = 0; n < ROUNDS; n += 1) {
    // In pairs, in either order, so that whatever else the machine does meets both.
    const order = Math.random() < 0.5 ? ['known', 'unknown'] as const : ['unknown', 'known'] as const;
    for (const kind of order) await ask(kind, n);
  }
  const found = auc(times.known, times.unknown);
  t.ok(found > 0.35 && found < 0.65, `AUC ${found.toFixed(3)}`);
  t.comment(`AUC ${found.toFixed(3)} of ${ROUNDS} pairs`);
  await until('all are worked off', async () => (await rows('select from identity.recovery_requests')).length === 0);
});
