import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'tap';
import { until } from '@muniment/testing';
import { endOrphans } from '../../../src/fleet/supervisor/orphans.ts';
import {
  allProcesses,
  bootId,
  isAlive,
  processStat,
} from '../../../src/fleet/supervisor/process-table.ts';
import { type FleetState, readState } from '../../../src/fleet/supervisor/state.ts';
import { fake, folder, planOf } from '../fake-fleet.ts';

const main = path.join(import.meta.dirname, '../../../src/fleet/supervisor/supervisor-main.ts');

test('processes that outlive a killed supervisor are ended, with their groups', async (t) => {
  const data = folder(t);
  const plan = planOf(data, [
    await fake(data, 'user-1', 'user'),
    await fake(data, 'nginx', 'nginx', { WITH_CHILD: '1' }),
  ]);
  writeFileSync(path.join(data, 'plan.json'), JSON.stringify(plan));
  const supervisor = spawn(process.execPath, [main, path.join(data, 'plan.json')], {
    stdio: 'ignore',
    detached: true,
  });
  await until(() => readState(data)?.phase === 'running');
  const state = readState(data)!;
  const nginx = state.processes[1]!.pid!;
  await until(() => allProcesses().filter(({ group }) => group === nginx).length === 2);
  supervisor.kill('SIGKILL');
  await until(() => !isAlive(state.supervisor));
  process.kill(nginx, 'SIGKILL'); // Its worker lives on without a leader.
  await until(() => processStat(nginx) === undefined);
  t.ok(
    state.processes.some(({ pid }) => processStat(pid!)),
    'the other process still runs',
  );

  t.equal((await endOrphans(state)).length, 2, 'user-1 and the worker of nginx');
  t.same(
    state.processes.map(({ pid }) => processStat(pid!)),
    [undefined, undefined],
  );
  t.same(
    allProcesses().filter(({ group }) => group === nginx),
    [],
  );
  t.same(await endOrphans(state), [], 'nothing more to do');
});

test('a foreign process with a reused pid is left alone', async (t) => {
  const foreign = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
    stdio: 'ignore',
    detached: true,
  });
  t.teardown(() => foreign.kill('SIGKILL'));
  const pid = foreign.pid!;
  const entry = {
    name: 'user-1',
    service: 'user',
    port: 1,
    log: '',
    restarts: 0,
    ready: { tcp: 1 },
    pid,
    startTime: processStat(pid)!.startTime - 1,
  };
  const state: FleetState = {
    boot: bootId(),
    supervisor: { pid: 1, startTime: 0 },
    phase: 'running',
    title: '',
    settings: {},
    processes: [entry],
  };
  t.same(await endOrphans(state), []);
  t.ok(processStat(pid));
});
