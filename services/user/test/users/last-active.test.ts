import { test } from 'tap';
import { build } from '../build.ts';

const DAY = `select last_active_on::text as day,
  (now() at time zone 'UTC')::date::text as today from identity.users`;

test('the first use of a day moves the date of the user, a later one does not', async (t) => {
  const { register, rows } = await build(t);
  const { session_id: session, user } = await register();
  const touch = () => rows('select shared.touch_sessions(array[$1]::uuid[], array[0])', [session]);
  const version = () => rows('select xmin::text as version from identity.users');
  await touch();
  const [shown] = await rows<{ day: string; today: string }>(DAY);
  t.equal(shown?.day, shown?.today);
  const before = await version();
  await touch();
  t.strictSame(await version(), before, 'the row is not written again');
  await rows(`update identity.users set last_active_on = '2020-01-01'`);
  await touch();
  t.match(await rows(DAY), [{ day: shown?.today }]);
  t.ok(user.id);
});
