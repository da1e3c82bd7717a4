import { sql, type Kysely } from 'kysely';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type Test } from 'tap';
import {
  acquireLease,
  createDatabase,
  createLeasedLoop,
  LeaseLost,
  requireLease,
  runWithLease,
  type Lease,
  type LeasedLoop,
  type LeasedLoopOptions,
} from '../src/index.ts';
import { createTestDatabase, timeBound, until } from '@muniment/testing';

async function openDatabase(t: Test): Promise<Kysely<unknown>> {
  const database = await createTestDatabase(t);
  const { db } = createDatabase<unknown>({
    url: database.url('user_service'),
    applicationName: 'test',
  });
  t.teardown(() => db.destroy());
  return db;
}

type LoopParts = Partial<LeasedLoopOptions<unknown>> &
  Pick<LeasedLoopOptions<unknown>, 'db' | 'work'>;

function startLoop(t: Test, options: LoopParts): LeasedLoop {
  const loop = createLeasedLoop({
    schema: 'identity',
    name: 'loop',
    replica: 'replica',
    ttlMs: 600,
    retryMs: 20,
    onFailing() {},
    ...options,
  });
  t.teardown(() => loop.stop());
  loop.start();
  return loop;
}

/** Another replica takes the lease, as after a long suspension of its holder. */
async function steal(db: Kysely<unknown>): Promise<void> {
  await sql`
    update identity.leases
    set holder = 'thief', epoch = epoch + 1, expires_at = clock_timestamp() + interval '1 minute'
    where name = 'loop'`.execute(db);
}

const endTheft = (db: Kysely<unknown>): Promise<unknown> =>
  sql`update identity.leases set expires_at = clock_timestamp() where holder = 'thief'`.execute(db);

const holderOf = async (db: Kysely<unknown>): Promise<string | undefined> =>
  (
    await sql<{ holder: string }>`
      select holder from identity.leases
      where name = 'loop' and expires_at > clock_timestamp()`.execute(db)
  ).rows[0]?.holder;

/** A promise and the function that resolves it. */
function gate(): { opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

test('a stale holder is refused its write, and starts again with its new epoch', async (t) => {
  const db = await openDatabase(t);
  const [paused, continued] = [gate(), gate()];
  const epochs: number[] = [];
  const written: number[] = [];
  const loop = startLoop(t, {
    db,
    onAcquired: ({ lease }) => void epochs.push(lease.epoch),
    async work({ lease }) {
      if (epochs.length === 1) {
        paused.open();
        await continued.opened;
      }
      await db.transaction().execute(async (trx) => {
        await requireLease(trx, lease);
        written.push(lease.epoch);
      });
      return 10;
    },
  });
  await paused.opened;
  await steal(db);
  continued.open();
  await until(() => !loop.status().leading);
  await endTheft(db);
  await until(() => written.length > 0);
  t.equal(epochs.length, 2);
  t.equal(epochs[0], 1);
  t.notOk(written.includes(1), 'the first epoch has written nothing');
});

test('a lease that is lost in the middle of work ends the round at the renewal', async (t) => {
  const db = await openDatabase(t);
  const [renewed, steps] = [[] as string[], gate()];
  const loop = startLoop(t, {
    db,
    ttlMs: 150,
    async work(held) {
      if (renewed.length > 0) return 10;
      steps.open();
      await steal(db);
      await sleep(60);
      await held.renew().then(
        () => renewed.push('renewed'),
        (error: unknown) => {
          renewed.push(error instanceof LeaseLost ? 'lost' : 'failed');
          throw error;
        },
      );
      return 10;
    },
  });
  await steps.opened;
  await until(() => renewed.length > 0);
  t.same(renewed, ['lost']);
  await until(() => !loop.status().leading);
  await endTheft(db);
  await until(() => loop.status().leading);
  t.equal(loop.status().epoch, 3);
});

test('long work that renews keeps its lease beyond the time to live', async (t) => {
  const db = await openDatabase(t);
  const done = gate();
  let epoch = 0;
  startLoop(t, {
    db,
    ttlMs: 1_000,
    async work(held) {
      for (let n = 0; n < 50; n += 1) {
        await sleep(25);
        await held.renew();
      }
      await db.transaction().execute((trx) => requireLease(trx, held.lease));
      epoch = held.lease.epoch;
      done.open();
      return 1_000;
    },
  });
  await done.opened;
  t.equal(epoch, 1);
});

test('a stop during work lets it end, drains, then frees the lease at once', async (t) => {
  const db = await openDatabase(t);
  const [began, ended] = [gate(), gate()];
  const steps: string[] = [];
  const loop = startLoop(t, {
    db,
    ttlMs: 60_000,
    async work() {
      began.open();
      await ended.opened;
      steps.push('worked');
      return 10;
    },
    async drain() {
      steps.push((await holderOf(db)) === undefined ? 'drained without lease' : 'drained');
    },
  });
  await began.opened;
  const stopped = loop.stop();
  t.equal(loop.signal.aborted, true);
  t.equal(
    await acquireLease(db, { schema: 'identity', name: 'loop', holder: 'successor', ttlMs: 1_000 }),
    undefined,
  );
  ended.open();
  await stopped;
  t.same(steps, ['worked', 'drained']);
  t.equal(
    (
      await acquireLease(db, {
        schema: 'identity',
        name: 'loop',
        holder: 'successor',
        ttlMs: 1_000,
      })
    )?.epoch,
    2,
  );
  t.same(loop.status(), { leading: false, epoch: undefined });
});

test('after a wake during work the next round starts after the gathering time', async (t) => {
  const db = await openDatabase(t);
  const [began, ended] = [gate(), gate()];
  const startedAt: number[] = [];
  const loop = startLoop(t, {
    db,
    ttlMs: 60_000,
    gatherMs: 50,
    async work() {
      startedAt.push(performance.now());
      if (startedAt.length > 1) return 60_000;
      began.open();
      await ended.opened;
      return 60_000;
    },
  });
  await began.opened;
  loop.wake();
  loop.wake();
  ended.open();
  await until(() => startedAt.length === 2);
  t.ok((startedAt[1] ?? 0) - (startedAt[0] ?? 0) >= 45);
  loop.wake();
  await until(() => startedAt.length === 3);
});

test('wakes while the loop pauses start one round, and none without the lease', async (t) => {
  const db = await openDatabase(t);
  let rounds = 0;
  let looks = 0;
  const loop = startLoop(t, {
    db,
    ttlMs: 60_000,
    gatherMs: 100,
    async work() {
      rounds += 1;
      return 60_000;
    },
  });
  // The first loop must hold the lease before the second one asks for it.
  await until(() => rounds === 1);
  const waiting = startLoop(t, {
    db,
    ttlMs: 60_000,
    work: async () => 60_000,
    async observe() {
      looks += 1;
    },
  });
  await until(() => looks === 1);
  for (let n = 0; n < 5; n += 1) {
    loop.wake();
    waiting.wake();
    await sleep(5);
  }
  await until(() => rounds === 2);
  await sleep(150);
  t.equal(rounds, 2);
  t.equal(looks, 1);
});

test('at rest a replica without the lease takes it when it runs out, or once woken', async (t) => {
  const db = await openDatabase(t);
  const claim = { schema: 'identity', name: 'loop', holder: 'dead' };
  await acquireLease(db, { ...claim, ttlMs: 1_000 });
  let looks = 0;
  const loop = startLoop(t, {
    db,
    ttlMs: 60,
    isResting: () => true,
    work: async () => 20,
    observe: async () => void (looks += 1),
  });
  const began = performance.now();
  await until(() => loop.status().leading);
  t.ok(performance.now() - began < timeBound(1_300, 3_000));
  t.ok(looks <= 3, `${looks} looks, where one each 20 ms would be 50`);
  await loop.stop();

  await acquireLease(db, { ...claim, ttlMs: 60_000 });
  const other = startLoop(t, { db, isResting: () => true, work: async () => 60_000 });
  await sleep(100);
  await sql`update identity.leases set expires_at = clock_timestamp()`.execute(db);
  other.wake();
  await until(() => other.status().leading, { timeoutMs: timeBound(500, 3_000) });
});

test('a failed round is told once, waits, drops the lease, and takes it over again', async (t) => {
  const db = await openDatabase(t);
  const told: string[] = [];
  let rounds = 0;
  let acquired = 0;
  startLoop(t, {
    db,
    retryMs: 30,
    onAcquired: () => void (acquired += 1),
    onFailing: (error) => void told.push((error as Error).message),
    onRecovered: () => void told.push('recovered'),
    async work() {
      rounds += 1;
      if (rounds < 4) throw new Error(`round ${rounds}`);
      return 10_000;
    },
  });
  await until(() => rounds === 4);
  await until(() => told.length === 2);
  t.same(told, ['round 1', 'recovered']);
  t.equal(acquired, 4, 'what a failed round left half done is looked for again');
});

test('a loop that keeps its lease on errors goes on in the same epoch', async (t) => {
  const db = await openDatabase(t);
  let rounds = 0;
  let acquired = 0;
  startLoop(t, {
    db,
    keepsLeaseOnError: true,
    onAcquired: () => void (acquired += 1),
    async work() {
      rounds += 1;
      if (rounds < 3) throw new Error('fails');
      return 10_000;
    },
  });
  await until(() => rounds === 3);
  t.equal(acquired, 1);
});

test('of two loops with one replica name one works; at its stop the other goes on', async (t) => {
  const db = await openDatabase(t);
  const rounds = [0, 0];
  const [first, second] = [0, 1].map((n) =>
    startLoop(t, {
      db,
      async work() {
        rounds[n] = (rounds[n] ?? 0) + 1;
        return 10;
      },
    }),
  ) as [LeasedLoop, LeasedLoop];
  await until(() => rounds[0] === 5 || rounds[1] === 5);
  const [holder, other] = first.status().leading ? [first, second] : [second, first];
  t.equal(other.status().leading, false);
  await holder.stop();
  await until(() => other.status().leading);
});

test('a refused write beside the rounds drops only its own epoch of the lease', async (t) => {
  const db = await openDatabase(t);
  const leases: Lease[] = [];
  const loop = startLoop(t, {
    db,
    ttlMs: 60_000,
    onAcquired: ({ lease }) => void leases.push(lease),
    work: async () => 10,
  });
  await until(() => leases.length === 1);
  const [lease] = leases as [Lease];
  t.equal(loop.isHeld(lease), true);
  loop.drop({ ...lease, epoch: lease.epoch + 1 });
  t.equal(loop.isHeld(lease), true);
  loop.drop(lease);
  t.equal(loop.status().leading, false);
  await until(() => leases.length === 2);
  t.equal(leases[1]?.epoch, lease.epoch, 'nobody took it meanwhile');
});

test('work that runs once under a lease is alone, and always frees the lease', async (t) => {
  const db = await openDatabase(t);
  const options = { db, schema: 'identity', name: 'loop', replica: 'replica', ttlMs: 60_000 };
  const outcome = await runWithLease(options, async () => [
    'outer',
    await runWithLease(options, async () => 'inner'),
  ]);
  t.same(outcome, ['outer', undefined]);
  await t.rejects(
    runWithLease(options, async () => {
      throw new Error('failed');
    }),
    /failed/,
  );
  t.equal(await runWithLease(options, async () => 'again'), 'again');
});

test('work that runs once under a lease is told at its renewal that it lost it', async (t) => {
  const db = await openDatabase(t);
  const options = { db, schema: 'identity', name: 'loop', replica: 'replica', ttlMs: 90 };
  await t.rejects(
    runWithLease(options, async ({ renew }) => {
      await steal(db);
      await sleep(40);
      await renew();
    }),
    LeaseLost,
  );
  t.equal(await holderOf(db), 'thief', 'its release leaves the lease of another alone');
});
