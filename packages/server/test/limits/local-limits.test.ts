import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { test, type Test } from 'tap';
import { until } from '@muniment/testing';
import { createLimits, type Counted, type Limits } from '../../src/limits/limits.ts';
import { createLocalLimits, type LocalLimits } from '../../src/limits/local-limits.ts';
import { limitRules } from '../../src/limits/rules.ts';
import { build, type TestServer } from '../build.ts';

const CALLER: Counted = ['requests', 'user:1'];

interface Replica extends LocalLimits {
  /** Moves this replica's clock; PostgreSQL's goes on by itself. */
  advance(ms: number): void;
  /** Round trips so far. */
  asked(): number;
}

async function addReplica(
  server: TestServer,
  rules: string,
  isUnavailable = (_error: unknown): boolean => false,
): Promise<Replica> {
  const limits = await createLimits(server.db, {
    masterKey: server.masterKey,
    rules: limitRules(rules),
    enabled: true,
    metrics: new Registry(),
  });
  let [ahead, asked] = [0, 0];
  const counting: Limits = {
    ...limits,
    key(counted) {
      asked += 1;
      return limits.key(counted);
    },
  };
  const now = (): number => performance.now() + ahead;
  return {
    ...createLocalLimits(server.db, counting, isUnavailable, now),
    advance(ms) {
      ahead += ms;
    },
    asked: () => asked,
  };
}

/** Consumes until it is refused. @returns how many were allowed */
async function exhaust({ tryConsume }: LocalLimits, counted = CALLER): Promise<number> {
  for (let allowed = 0; ; allowed += 1) if (!(await tryConsume(counted)).allowed) return allowed;
}

/** A replica that has spent four attempts and holds three more. */
async function startReplica(t: Test, rules: string) {
  const server = await build(t);
  const replica = await addReplica(server, rules);
  for (let n = 0; n < 4; n += 1) await replica.tryConsume(CALLER);
  return { server, replica };
}

test('an expired lease is not spent on top of a later window', async (t) => {
  const rules = 'requests=100/36000';
  const { server, replica } = await startReplica(t, rules);
  await server.rows('update shared.limits set tat = now()');
  t.equal(await exhaust(await addReplica(server, rules)), 100, 'the whole of the later window');
  replica.advance(5_100);
  t.equal((await replica.tryConsume(CALLER)).allowed, false);
});

test('a new lease does not add to what has expired', async (t) => {
  const { replica } = await startReplica(t, 'requests=100/36000');
  replica.advance(5_100);
  t.equal(await exhaust(replica), 93, 'four were spent, and three have expired');
});

test('a lease is spent while it lasts', async (t) => {
  const { replica } = await startReplica(t, 'requests=100/36000');
  replica.advance(4_000);
  t.equal(await exhaust(replica), 96);
});

test('a refusal is remembered for a second, and a flood costs no round trips', async (t) => {
  const server = await build(t);
  const replica = await addReplica(server, 'requests=5/36000');
  t.equal(await exhaust(replica), 5);
  const asked = replica.asked();
  for (let n = 0; n < 50; n += 1) t.notOk((await replica.tryConsume(CALLER)).allowed);
  t.equal(replica.asked(), asked);
  await server.rows('update shared.limits set tat = now()');
  replica.advance(1_100);
  t.equal((await replica.tryConsume(CALLER)).allowed, true, 'asked again after that');
});

test('a refusal that ends sooner is remembered only so long', async (t) => {
  const server = await build(t);
  const replica = await addReplica(server, 'requests=5/1');
  await exhaust(replica);
  await sleep(250);
  t.equal((await replica.tryConsume(CALLER)).allowed, true);
});

test('callers and limits do not share a lease', async (t) => {
  const server = await build(t);
  const replica = await addReplica(server, 'requests=5/36000,introspection=5/36000');
  t.equal(await exhaust(replica), 5);
  t.equal(await exhaust(replica, ['requests', 'user:2']), 5);
  t.equal(await exhaust(replica, ['introspection', 'user:1']), 5);
});

test('the first refusal in a window is told once, whichever replica it falls to', async (t) => {
  const server = await build(t);
  const rules = 'requests=4/36000';
  const replicas = [await addReplica(server, rules), await addReplica(server, rules)];
  let told = 0;
  for (const replica of [...replicas, ...replicas]) {
    for (let n = 0; n < 6; n += 1)
      await replica
        .consume(CALLER, async () => {
          told += 1;
        })
        .catch((error: { statusCode: number }) => t.equal(error.statusCode, 429));
    replica.advance(2_000);
  }
  t.equal(told, 1);
});

test('in the next window a refusal is told again', async (t) => {
  const server = await build(t);
  const replica = await addReplica(server, 'requests=2/1');
  let told = 0;
  const flood = async (): Promise<void> => {
    for (let n = 0; n < 10; n += 1)
      await replica
        .consume(CALLER, async () => {
          told += 1;
        })
        .catch(() => {});
  };
  await flood();
  await flood();
  t.equal(told, 1);
  await sleep(1_100);
  await flood();
  t.equal(told, 2);
});

test('a database that is slow to count holds no request up', async (t) => {
  const server = await build(t);
  await server.rows(`
    create or replace function shared.lease_limit(
      wanted bytea, every_us bigint, burst integer, most integer)
    returns table (granted integer, remaining integer, reset_us bigint, retry_us bigint)
    language plpgsql security definer set search_path = pg_catalog as $$
    begin
      perform pg_sleep(1.2);
      return query select most, burst - most, 0::bigint, 0::bigint;
    end $$`);
  const replica = await addReplica(server, 'requests=40/36000', () => true);
  const began = performance.now();
  t.equal((await replica.tryConsume(CALLER)).allowed, true);
  t.ok(performance.now() - began < 900, `${(performance.now() - began).toFixed()} ms`);
  const before = replica.asked();
  t.equal((await replica.tryConsume(CALLER)).allowed, true);
  t.equal(replica.asked(), before, 'it is not asked again at once');
  await until(() => replica.state(CALLER)?.remaining === 40, { timeoutMs: 5_000 });
});
