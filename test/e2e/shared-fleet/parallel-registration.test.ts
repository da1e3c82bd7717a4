import { test } from 'tap';
import { until } from '@muniment/testing';
import { PASSWORD, shareFleet } from '../fleet.ts';
import { isProblem } from '../problems.ts';
import { openDatabase } from '../stores.ts';

test('twenty parallel registrations of one address make one account', async (t) => {
  const fleet = await shareFleet();
  const rows = await openDatabase(t, fleet);
  const spellings = ['pia@example.com', 'Pia@Example.COM', ' pia@example.com ', 'PIA@example.com'];
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      fleet.call('POST', index % 2 === 0 ? '/api/users/register' : '/signup', {
        json: { email: spellings[index % spellings.length], password: PASSWORD },
      }),
    ),
  );

  const userIds: string[] = [];
  const refusedRequests: string[] = [];
  for (const answer of answers) {
    if (answer.status === 201)
      userIds.push(((await answer.json()) as { user: { id: string } }).user.id);
    else
      refusedRequests.push(
        (await isProblem(t, answer, 409, 'email_taken', 'a later request')).request_id,
      );
  }
  t.equal(userIds.length, 1, 'one request was accepted');
  t.strictSame(
    await rows(`select id from identity.users where lower(trim(email)) = 'pia@example.com'`),
    userIds.map((id) => ({ id })),
  );
  t.strictSame(
    await rows('select count(*)::int as sessions from identity.sessions where user_id = $1', [
      userIds[0],
    ]),
    [{ sessions: 1 }],
  );

  const events = () =>
    rows<{ action: string; count: number }>(
      `select action, count(*)::int from audit.events
       where user_id = $1 or request_id = any($2) group by action order by action`,
      [userIds[0], refusedRequests],
    );
  await until(async () => (await events()).reduce((sum, { count }) => sum + count, 0) >= 20);
  t.strictSame(await events(), [
    { action: 'SIGNUP_FAIL', count: 19 },
    { action: 'SIGNUP_SUCCESS', count: 1 },
  ]);
});
