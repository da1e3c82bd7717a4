import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { sql } from 'kysely';
import t, { type Test } from 'tap';
import { limitRules } from '../../src/limits/rules.ts';
import { createLimits, type Counted, type Limits } from '../../src/limits/limits.ts';
import { build, type TestServer } from '../build.ts';

/** As another replica counts: with a pool of the same database. */
async function buildLimits(
  t: Test,
  rules: string,
): Promise<{ server: TestServer; one: Limits; other: Limits }> {
  const server = await build(t, { settings: { LIMIT_RULES: rules } });
  const other = await createLimits(server.db, {
    masterKey: server.masterKey,
    rules: limitRules(rules),
    enabled: true,
    metrics: new Registry(),
  });
  return { server, one: server.limits, other };
}

const outcome = (tried: Promise<unknown>): Promise<'taken' | 'refused'> =>
  tried.then(
    () => 'taken' as const,
    (error: { statusCode?: number }) => {
      if (error.statusCode !== 429) throw error;
      return 'refused' as const;
    },
  );
const takenOf = async (tries: Promise<unknown>[]): Promise<number> =>
  (await Promise.all(tries.map(outcome))).filter((one) => one === 'taken').length;

t.test(
  'of fifty tries at once on two replicas as many are taken as the limit allows, and a refused one costs nothing at the other limits',
  async (t) => {
    const { server, one, other } = await buildLimits(
      t,
      'login_account=10/3600,login_network=40/3600',
    );
    const counted: Counted[] = [
      ['login_network', '192.0.2.1'],
      ['login_account', 'ada@example.com'],
    ];
    t.equal(
      await takenOf(
        Array.from({ length: 50 }, (_, index) =>
          (index % 2 ? one : other).consume(index % 3 ? counted : counted.toReversed()),
        ),
      ),
      10,
    );
    t.equal(
      await takenOf(
        Array.from({ length: 40 }, (_, index) =>
          one.consume([
            ['login_network', '192.0.2.1'],
            ['login_account', `${index}@example.com`],
          ]),
        ),
      ),
      30,
    );
    const rows = await server.rows<{ text: string }>('select l::text as text from shared.limits l');
    t.ok(rows.length > 2);
    t.notMatch(JSON.stringify(rows), /ada@|192\.0\.2/);
  },
);

t.test(
  'a try that is refunded can be made again, and a refusal does not make the wait longer',
  async (t) => {
    const { one } = await buildLimits(t, 'login_account=2/2');
    const counted: Counted[] = [['login_account', 'ada']];
    const taken = await one.consume(counted);
    await one.consume(counted);
    t.equal(await outcome(one.consume(counted)), 'refused');
    await taken.refund();
    t.equal(await outcome(one.consume(counted)), 'taken');
    const waits: number[] = [];
    for (let index = 0; index < 20; index += 1)
      await one
        .consume(counted)
        .catch(({ retryAfter }: { retryAfter: number }) => waits.push(retryAfter));
    t.equal(waits.length, 20);
    t.ok(
      waits.every((wait) => wait === 1),
      waits.join(),
    );
    await sleep(1_100);
    t.equal(
      await outcome(one.consume(counted)),
      'taken',
      'after the time that each of the refusals has said',
    );
  },
);

t.test('refunds never give more than the limit', async (t) => {
  const { one } = await buildLimits(t, 'login_account=3/3600');
  for (let index = 0; index < 5; index += 1) await one.refund([['login_account', 'ada']]);
  t.equal(
    await takenOf(Array.from({ length: 10 }, () => one.consume([['login_account', 'ada']]))),
    3,
  );
});

t.test('the first refusal in a window is told once, whichever replica it falls to', async (t) => {
  const { one, other } = await buildLimits(t, 'login_account=1/3600');
  let told = 0;
  const tell = async (): Promise<void> => {
    told += 1;
  };
  await Promise.all(
    Array.from({ length: 30 }, (_, index) =>
      outcome((index % 2 ? one : other).consume([['login_account', 'ada']], tell)),
    ),
  );
  t.equal(told, 1);
});

t.test('of several limits that refuse, the longest wait is said', async (t) => {
  const { one } = await buildLimits(t, 'login_account=1/3600,login_network=1/60');
  const counted: Counted[] = [
    ['login_account', 'ada'],
    ['login_network', '192.0.2.1'],
  ];
  await one.consume(counted);
  const refused = await one
    .consume(counted)
    .catch((error: unknown) => error as { retryAfter: number; headers: { ratelimit: string } });
  t.match(refused, { retryAfter: 3600 });
  t.match(refused, { headers: { ratelimit: /"login_account";r=0;.*"login_network";r=0;/ } });
});

t.test('a clock that was put back keeps nobody out for longer than the window', async (t) => {
  const { server, one } = await buildLimits(t, 'login_account=1/1');
  await one.consume([['login_account', 'ada']]);
  await server.rows(`update shared.limits set tat = now() + interval '10 years'`);
  t.equal(await outcome(one.consume([['login_account', 'ada']])), 'refused');
  await server.rows(`update shared.limits set tat = now() + interval '10 years'`);
  const { retryAfter } = (await one
    .consume([['login_account', 'ada']])
    .catch((error: unknown) => error as { retryAfter: number })) as { retryAfter: number };
  t.equal(retryAfter, 1);
});

t.test('rows whose budget is full again are swept, others stay', async (t) => {
  const { server, one } = await buildLimits(t, 'login_account=5/3600');
  await one.consume([['login_account', 'ada']]);
  await server.rows(
    `insert into shared.limits (key, tat) select decode(md5(i::text), 'hex'), now() - interval '1 second' from generate_series(1, 25) i`,
  );
  const sweep = async () =>
    (await sql<{ swept: number }>`select shared.sweep_limits(10) as swept`.execute(server.db))
      .rows[0]?.swept;
  t.strictSame([await sweep(), await sweep(), await sweep(), await sweep()], [10, 10, 5, 0]);
  t.equal((await server.rows('select 1 from shared.limits')).length, 1);
});

t.test('no service may write or read the rows but by counting', async (t) => {
  const { server } = await buildLimits(t, '');
  for (const statement of [
    'select * from shared.limits',
    'delete from shared.limits',
    'update shared.limits set tat = now()',
    'update shared.limit_secret set wrapped = null',
  ]) {
    await t.rejects(sql.raw(statement).execute(server.db), { code: '42501' }, statement);
  }
});

t.test('rules are changed by name, and what is no rule stops the start', (t) => {
  t.strictSame(limitRules('login_account=5/600, requests=6000/60').login_account, {
    burst: 5,
    seconds: 600,
  });
  t.strictSame(limitRules('').login_account, { burst: 10, seconds: 900 });
  for (const wrong of [
    'login=5/600',
    'login_account=0/600',
    'login_account=5',
    'login_account=5/0',
    'toString=1/1',
    'login_account=-1/5',
  ])
    t.throws(() => limitRules(wrong), /LIMIT_RULES/, wrong);
  t.end();
});
