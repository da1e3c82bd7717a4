import { until } from '@muniment/testing';
import { test } from 'tap';
import { listReplicas, restartReplica } from '../../../src/fleet/commands/restart-replicas.ts';
import { isReady } from '../../../src/fleet/supervisor/readiness.ts';
import { readState } from '../../../src/fleet/supervisor/state.ts';
import { createSupervisor } from '../../../src/fleet/supervisor/supervisor.ts';
import { fake, folder, planOf } from '../fake-fleet.ts';

test('a restarted replica ended in order, and another process takes work', async (t) => {
  const data = folder(t);
  const plan = planOf(
    data,
    [await fake(data, 's3', 's3')],
    [
      await fake(data, 'user-1', 'user', { LISTEN_AFTER_MS: '300' }),
      await fake(data, 'user-2', 'user'),
    ],
  );
  const supervisor = createSupervisor(plan);
  t.teardown(() => supervisor.stop());
  await supervisor.start();
  t.strictSame(listReplicas(data), ['user-1', 'user-2'], 'stores are no replicas');
  const pids = (): (number | undefined)[] =>
    (readState(data)?.processes ?? []).map(({ pid }) => pid);
  const before = pids();
  const { exit, readyMs } = await restartReplica(data, 'user-1');
  t.equal(exit, 'exit code 0');
  t.ok(readyMs >= 300, 'it waits until the new process listens');
  const after = pids();
  t.strictSame([after[0], after[2]], [before[0], before[2]], 'the others go on');
  t.not(after[1], before[1]);
});

test('a replica is not stopped before another takes work', async (t) => {
  const data = folder(t);
  const env = { LISTEN_AFTER_MS: '1000' };
  const plan = planOf(data, [
    await fake(data, 'user-1', 'user'),
    await fake(data, 'user-2', 'user', env),
  ]);
  const supervisor = createSupervisor(plan);
  t.teardown(() => supervisor.stop());
  await supervisor.start();
  const [first, second] = readState(data)?.processes ?? [];
  process.kill(second?.pid ?? 0, 'SIGKILL');
  await until(async () => !(await isReady(second!.ready, 0)), { what: 'the other is gone' });
  const restarted = restartReplica(data, 'user-1');
  await until(() => readState(data)?.processes[0]?.pid !== first?.pid, { what: 'it has ended' });
  t.ok(await isReady(second!.ready, 0), 'the other took work by then');
  await restarted;
});

test('the only replica of a service is not restarted', async (t) => {
  const data = folder(t);
  const supervisor = createSupervisor(planOf(data, [await fake(data, 'user-1', 'user')]));
  t.teardown(() => supervisor.stop());
  await supervisor.start();
  const before = readState(data)?.processes[0]?.pid;
  await t.rejects(restartReplica(data, 'user-1'), { message: /REPLICAS=2/ });
  t.equal(readState(data)?.processes[0]?.pid, before);
});

test('without a running fleet there is nothing to restart', async (t) => {
  t.throws(() => listReplicas(folder(t)), { message: /Start one with make up/ });
});
