import { Registry } from 'prom-client';
import t, { type Test } from 'tap';
import { GATEWAY_HEADERS } from '@muniment/testing';
import { createLocalLimits } from '../../src/limits/local-limits.ts';
import { limitRules } from '../../src/limits/rules.ts';
import { createLimits } from '../../src/limits/limits.ts';
import { addRoute } from '../add-route.ts';
import { build, checkProblem, type TestServer } from '../build.ts';

// RFC 9651 §3.1: a list of strings with integer parameters.
const ITEM = String.raw`"[a-z_]+"(;[a-z]+=\d{1,15})+`;
const LIST = new RegExp(`^${ITEM}(, ${ITEM})*$`);

async function buildLimited(t: Test, rules: string): Promise<TestServer> {
  const server = await build(t, { settings: { LIMIT_RULES: rules } });
  addRoute(server.app, { url: '/probe', handler: () => ({ ok: true }) });
  return server;
}

async function leasedOf(
  server: TestServer,
  rules: string,
  isUnavailable = (_error: unknown): boolean => false,
) {
  const limits = await createLimits(server.db, {
    masterKey: server.masterKey,
    rules: limitRules(rules),
    enabled: true,
    metrics: new Registry(),
  });
  return createLocalLimits(server.db, limits, isUnavailable);
}

t.test(
  'of many requests at once on two replicas as many pass as the limit allows, and no more',
  async (t) => {
    const rules = 'requests=200/36000';
    const server = await build(t);
    const [one, other] = [await leasedOf(server, rules), await leasedOf(server, rules)];
    let passed = 0;
    for (let round = 0; round < 10; round += 1) {
      const spent = await Promise.all(
        Array.from({ length: 60 }, (_, index) =>
          (index % 2 ? one : other).tryConsume(['requests', 'user:1']),
        ),
      );
      passed += spent.filter(({ allowed }) => allowed).length;
    }
    t.ok(passed <= 200, `${passed} passed`);
    t.ok(passed >= 150, `${passed} passed: what a replica has leased and not spent is little`);
    t.equal((await one.tryConsume(['requests', 'user:2'])).allowed, true, 'another caller');
  },
);

t.test(
  'a busy caller costs a round trip for a chunk, a seldom one leaves the budget to others',
  async (t) => {
    const server = await build(t);
    const rules = 'requests=1000/36000';
    const limits = await createLimits(server.db, {
      masterKey: server.masterKey,
      rules: limitRules(rules),
      enabled: true,
      metrics: new Registry(),
    });
    let asked = 0;
    const leased = createLocalLimits(
      server.db,
      {
        ...limits,
        key: (counted) => {
          asked += 1;
          return limits.key(counted);
        },
      },
      () => false,
    );
    for (let index = 0; index < 500; index += 1) await leased.tryConsume(['requests', 'user:1']);
    t.ok(asked < 25, `${asked} round trips for 500 requests`);
    const seldom = await leased.tryConsume(['requests', 'user:2']);
    t.equal(seldom.remaining, 999);
  },
);

t.test(
  'answers say how the caller stands, a refusal is a problem with Retry-After, and probes are not limited',
  async (t) => {
    const { app, metrics } = await buildLimited(t, 'requests=3/600');
    const answers = [];
    for (let index = 0; index < 5; index += 1) answers.push(await app.inject('/probe'));
    t.strictSame(
      answers.map(({ statusCode }) => statusCode),
      [200, 200, 200, 429, 429],
    );
    for (const answer of answers) {
      t.match(answer.headers.ratelimit, LIST);
      t.match(answer.headers['ratelimit-policy'], LIST);
      t.equal(answer.headers['ratelimit-policy'], '"requests";q=3;w=600');
      t.notOk(answer.headers['x-ratelimit-limit']);
    }
    t.match(answers[0]?.headers.ratelimit, /^"requests";r=2;/);
    const [, , , refused] = answers;
    if (refused) checkProblem(t, refused, 429, 'rate_limited');
    t.match(refused?.headers.ratelimit, /^"requests";r=0;/);
    t.match(refused?.headers['retry-after'], /^[1-9]\d*$/);
    t.equal((await app.inject('/health/live')).statusCode, 200);
    t.match(await metrics.metrics(), /muniment_rate_limited_total\{.*limit="requests".*\} 2/);
    t.equal(
      (
        await app.inject({
          url: '/probe',
          remoteAddress: '127.0.0.1',
          headers: { ...GATEWAY_HEADERS, 'x-forwarded-for': '198.51.100.1' },
        })
      ).statusCode,
      200,
      'another network',
    );
  },
);

t.test(
  'while the database is away each replica limits by itself, and shares the count again afterwards',
  async (t) => {
    const server = await build(t);
    const leased = await leasedOf(server, 'requests=5/36000', () => true);
    await server.rows(
      'alter function shared.lease_limit(bytea, bigint, integer, integer) rename to gone',
    );
    const alone = [];
    for (let index = 0; index < 7; index += 1)
      alone.push((await leased.tryConsume(['requests', 'user:1'])).allowed);
    t.strictSame(alone, [true, true, true, true, true, false, false]);
    await server.rows(
      'alter function shared.gone(bytea, bigint, integer, integer) rename to lease_limit',
    );
    await new Promise((resolve) => {
      setTimeout(resolve, 1_100);
    });
    t.equal((await leased.tryConsume(['requests', 'user:1'])).allowed, true);
    t.equal((await server.rows('select 1 from shared.limits')).length, 1);
  },
);
