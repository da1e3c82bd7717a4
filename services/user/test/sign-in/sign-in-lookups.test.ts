import { test } from 'tap';
import { build, type TestServer } from '../build.ts';

/** Makes each look-up of a subject key count. */
const countLookups = ({ rows }: TestServer): Promise<unknown> =>
  rows(`
    create sequence public.lookups;
    grant usage on sequence public.lookups to public;
    alter function keys.find_subject_key(text) rename to find_uncounted;
    create function keys.find_subject_key(wanted text)
    returns table (key_id uuid, wrapped bytea, erased boolean, uncommitted boolean)
    language sql volatile security definer as $$
      select nextval('public.lookups');
      select * from keys.find_uncounted(wanted)
    $$`);

const lookups = async ({ rows }: TestServer): Promise<number> =>
  Number(
    (
      await rows<{ count: string }>(
        `select case when is_called then last_value else 0 end as count from public.lookups`,
      )
    )[0]?.count,
  );

async function lookupsOf(server: TestServer, email: string): Promise<number> {
  const before = await lookups(server);
  const answer = await server.call('POST', '/login', {
    body: { email, password: 'not the password' },
  });
  if (answer.statusCode !== 401) throw new Error(answer.body);
  return (await lookups(server)) - before;
}

test('a failed login costs the same look-ups whether or not its address is known', async (t) => {
  const first = await build(t);
  await first.register('ada@example.com');
  await countLookups(first);
  // Its caches are cold; the key of the day, which every unknown address shares, is warm.
  const replica = await first.replica();
  for (const name of ['first', 'second']) await lookupsOf(replica, `${name}@example.com`);
  const known = [
    await lookupsOf(replica, 'ada@example.com'),
    await lookupsOf(replica, 'ada@example.com'),
  ];
  const unknown = [
    await lookupsOf(replica, 'nobody@example.com'),
    await lookupsOf(replica, 'nobody@example.com'),
  ];
  t.strictSame(unknown, known);
  t.strictSame(known, [1, 0]);
});
