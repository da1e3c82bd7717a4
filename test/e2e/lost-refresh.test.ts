import { test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { recordEffects, slowCommits } from './effects.ts';
import { startFleet } from './fleet.ts';
import { findProcess, kill } from './processes.ts';
import { openDatabase } from './stores.ts';

test('a refresh whose replica dies after its commit is answered by the next', async (t) => {
  const fleet = await startFleet(t, { DURABLE: 'off' });
  const rows = await openDatabase(t, fleet);
  const { refresh_token, session_id } = await fleet.signUp();
  const refresh = (token: string) =>
    fleet.call('POST', '/api/auth/refresh', { json: { refresh_token: token } });
  const tokens = () =>
    rows<{ spent: boolean }>(
      `select spent_at is not null as spent from identity.refresh_tokens
       where session_id = $1 order by created`,
      [session_id],
    );
  await recordEffects(rows);
  await slowCommits(rows, 1_000);

  const lost = refresh(refresh_token);
  const replica = await until(
    async () =>
      (
        await rows<{ name: string }>(`
    select replace(application_name, 'muniment-', '') as name from pg_stat_activity
    where application_name like 'muniment-user-%' and wait_event = 'PgSleep'`)
      )[0]?.name,
    { what: 'the commit is under way', timeoutMs: timeBound(5_000) },
  );
  kill((await findProcess(fleet, replica)).pid);
  t.ok([502, 504].includes((await lost).status), 'its client got no answer');
  await until(async () => (await tokens()).some(({ spent }) => spent), {
    what: 'it had committed',
    timeoutMs: timeBound(5_000),
  });

  const answers = await Promise.all(Array.from({ length: 5 }, () => refresh(refresh_token)));
  t.strictSame(
    answers.map(({ status }) => status),
    [200, 200, 200, 200, 200],
  );
  const children = new Set(
    await Promise.all(
      answers.map(
        async (answer) => ((await answer.json()) as { refresh_token: string }).refresh_token,
      ),
    ),
  );
  t.equal(children.size, 1, 'one child');
  t.strictSame(await tokens(), [{ spent: true }, { spent: false }], 'that of the killed replica');
  t.equal((await refresh([...children][0] ?? '')).status, 200, 'and it is good');
});
