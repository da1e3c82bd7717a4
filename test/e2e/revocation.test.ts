import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { startFleet, type Fleet, type FleetProcess, type SignedIn } from './fleet.ts';
import { findProcess, isReady, readState } from './processes.ts';
import { openDatabase } from './stores.ts';

/** A feed is stale after 750 ms; `make test-long` pauses for half a minute. */
const PAUSE_MS = Number(process.env['PAUSE_MS'] ?? 1_500);

const PATHS: Record<string, string> = {
  user: '/api/users/me',
  file: '/api/files?limit=1',
  audit: '/api/audit/logs?limit=1',
};

/** The status of a replica's answer at its own port. */
const visit = async ({ service, port }: FleetProcess, { token }: SignedIn): Promise<number> => {
  const answer = await fetch(`http://127.0.0.1:${port}${PATHS[service]}`, {
    headers: { authorization: `Bearer ${token}`, connection: 'close' },
    signal: AbortSignal.timeout(10_000),
  });
  await answer.arrayBuffer();
  return answer.status;
};

/** Visits until the replica refuses for good. @returns the last admitted visit, in ms */
async function lastLetIn(replica: FleetProcess, session: SignedIn): Promise<number> {
  const began = performance.now();
  let last = 0;
  let refusedSince: number | undefined;
  while (refusedSince === undefined || performance.now() - refusedSince < 200) {
    // The request's start counts: an answer may come after its second.
    const asked = performance.now() - began;
    const status = await visit(replica, session);
    if (status === 200) {
      last = asked;
      refusedSince = undefined;
    } else if (status === 401) refusedSince ??= performance.now();
    if (asked > 15_000) throw new Error(`${replica.name} still answers ${status}`);
    await sleep(5);
  }
  return last;
}

const replicasOf = async (fleet: Fleet): Promise<FleetProcess[]> =>
  (await fleet.describe()).processes.filter(({ service }) => service in PATHS);

test('an ended session is refused by every replica after a second', async (t) => {
  const fleet = await startFleet(t, { DURABLE: 'off' });
  const rows = await openDatabase(t, fleet);
  const replicas = await replicasOf(fleet);
  t.equal(replicas.length, 6);
  // At its own port: the gateway may choose a stopped replica.
  const { port } = await findProcess(fleet, 'user-1');
  const logOut = async ({ token }: SignedIn) =>
    t.equal(
      (
        await fetch(`http://127.0.0.1:${port}/api/auth/logout`, {
          method: 'POST',
          headers: { authorization: `Bearer ${token}` },
        })
      ).status,
      204,
    );
  const everywhere = async (session: SignedIn, status: number, of = replicas) => {
    for (const replica of of) t.equal(await visit(replica, session), status, replica.name);
  };
  const refusedInTime = async (session: SignedIn, of = replicas) => {
    const times = await Promise.all(of.map((replica) => lastLetIn(replica, session)));
    t.comment(`last let in after ${times.map((time) => Math.round(time)).join(', ')} ms`);
    t.ok(times.every((time) => time < timeBound(1_000)));
  };

  await t.test('without a fault', async () => {
    const [session, other] = [await fleet.signUp(), await fleet.signUp()];
    await everywhere(session, 200);
    await logOut(session);
    await refusedInTime(session);
    await everywhere(other, 200);
  });

  await t.test('the listening connections are killed', async () => {
    const session = await fleet.signUp();
    await everywhere(session, 200);
    await Promise.all([
      rows(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where application_name like '%-feed'`,
      ),
      logOut(session),
    ]);
    await refusedInTime(session);
  });

  await t.test('a paused replica refuses the first request after its pause', async () => {
    const session = await fleet.signUp();
    await everywhere(session, 200);
    const stopped = replicas.filter(({ name }) => name.endsWith('-2'));
    t.equal(stopped.length, 3);
    for (const { pid } of stopped) process.kill(pid, 'SIGSTOP');
    let statuses: Promise<number[]>;
    try {
      await logOut(session);
      await sleep(PAUSE_MS);
      statuses = Promise.all(stopped.map((replica) => visit(replica, session)));
      await sleep(300);
    } finally {
      for (const { pid } of stopped) process.kill(pid, 'SIGCONT');
    }
    t.strictSame(await statuses, [401, 401, 401]);
    await everywhere(session, 401);
    for (const { name, pid } of stopped)
      t.equal((await findProcess(fleet, name)).pid, pid, `${name} is the same process`);
  });

  await t.test('PostgreSQL is restarted right after the answer', async () => {
    const [session, other] = [await fleet.signUp(), await fleet.signUp()];
    await everywhere(session, 200);
    const { pid } = await findProcess(fleet, 'postgres');
    await logOut(session);
    process.kill(pid, 'SIGINT');
    await refusedInTime(session);
    await until(
      async () =>
        (await readState(fleet)).processes.find(
          ({ name, pid: now }) => name === 'postgres' && now !== undefined && now !== pid,
        ),
      { what: 'PostgreSQL is back' },
    );
    await until(async () => (await Promise.all(replicas.map(isReady))).every(Boolean), {
      what: 'everybody is served again',
    });
    await everywhere(session, 401);
    await everywhere(other, 200);
    await until(
      async () =>
        (
          await Promise.all(
            replicas.map(async ({ port }) => {
              const { dependencies } = (await (
                await fetch(`http://127.0.0.1:${port}/health/ready`)
              ).json()) as { dependencies: Record<string, { status: string }> };
              return dependencies.revocation_feed?.status === 'up';
            }),
          )
        ).every(Boolean),
      { what: 'the feeds are followed again', timeoutMs: timeBound(5_000) },
    );
  });
});
