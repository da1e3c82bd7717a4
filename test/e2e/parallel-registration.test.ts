import { test } from 'tap';
import { until } from '@muniment/testing';
import { PASSWORD, startFleet } from './fleet.ts';
import { isProblem } from './problems.ts';
import { openDatabase, trailGaps } from './stores.ts';

test('twenty parallel registrations of one address make one account', async (t) => {
  const fleet = await startFleet(t, { DURABLE: 'off' });
  const rows = await openDatabase(t, fleet);
  const spellings = ['ada@example.com', 'Ada@Example.COM', ' ada@example.com ', 'ADA@example.com'];
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      fleet.call('POST', index % 2 === 0 ? '/api/users/register' : '/signup', {
        json: { email: spellings[index % spellings.length], password: PASSWORD },
      }),
    ),
  );

  const made: string[] = [];
  for (const answer of answers) {
    if (answer.status === 201)
      made.push(((await answer.json()) as { user: { id: string } }).user.id);
    else await isProblem(t, answer, 409, 'email_taken', 'who came later');
  }
  t.equal(made.length, 1, 'one was let in');
  t.strictSame(
    await rows('select id from identity.users'),
    made.map((id) => ({ id })),
  );

  await until(async () => (await trailGaps(rows)).length === 0, { what: 'the trail is complete' });
  t.strictSame(
    await rows('select action, count(*)::int from audit.events group by action order by action'),
    [
      { action: 'SIGNUP_FAIL', count: 19 },
      { action: 'SIGNUP_SUCCESS', count: 1 },
    ],
  );
  t.strictSame(await rows('select count(*)::int as sessions from identity.sessions'), [
    { sessions: 1 },
  ]);
});
