import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { type Test, test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import type { Plan } from '../../../src/fleet/supervisor/plan.ts';
import { allProcesses, processStat } from '../../../src/fleet/supervisor/process-table.ts';
import { readState } from '../../../src/fleet/supervisor/state.ts';
import { statusTable } from '../../../src/fleet/commands/status-table.ts';
import { type Supervisor, createSupervisor } from '../../../src/fleet/supervisor/supervisor.ts';
import { fake, folder, planOf } from '../fake-fleet.ts';

function supervise(t: Test, plan: Plan): Supervisor {
  const supervisor = createSupervisor(plan);
  t.teardown(() => supervisor.stop());
  return supervisor;
}

interface Listed {
  name: string;
  service: string;
  pid: number;
  port: number;
  log: string;
}

function listed(data: string, name: string): Listed {
  const { processes }: { processes: Listed[] } = JSON.parse(
    readFileSync(path.join(data, 'fleet.json'), 'utf8'),
  );
  const found = processes.find((process) => process.name === name);
  if (!found) throw new Error(`${name} is not listed`);
  return found;
}

const log = (data: string): string => readFileSync(path.join(data, 'logs/supervisor.log'), 'utf8');

test('fleet.json describes the running fleet for its owner only', async (t) => {
  const data = folder(t);
  const [s3, user] = [await fake(data, 's3', 's3'), await fake(data, 'user-1', 'user')];
  const supervisor = supervise(t, planOf(data, [s3], [user]));
  await supervisor.start();
  const file = path.join(data, 'fleet.json');
  t.equal(statSync(file).mode & 0o777, 0o600);
  const fleet = JSON.parse(readFileSync(file, 'utf8'));
  t.same(fleet.gateway, { http: 'http://localhost:1', https: null });
  t.match(fleet.processes, [
    { name: 's3', service: 's3', port: s3.port, log: s3.log },
    { name: 'user-1', service: 'user', port: user.port, log: user.log },
  ]);
  for (const { port, pid } of fleet.processes)
    t.equal(await (await fetch(`http://127.0.0.1:${port}`)).text(), String(pid));
  await supervisor.stop();
  t.notOk(existsSync(file));
});

test('a killed process is back within two seconds, on its port, with a new pid', async (t) => {
  const data = folder(t);
  const supervisor = supervise(
    t,
    planOf(data, [await fake(data, 'user-1', 'user'), await fake(data, 'user-2', 'user')]),
  );
  await supervisor.start();
  const before = listed(data, 'user-1');
  const other = listed(data, 'user-2');
  process.kill(before.pid, 'SIGKILL');
  const killedAt = performance.now();
  await until(() =>
    fetch(`http://127.0.0.1:${before.port}`).then(
      async (response) => Number(await response.text()) !== before.pid,
      () => false,
    ),
  );
  const took = performance.now() - killedAt;
  t.ok(took < timeBound(2000), `${took} ms`);
  const after = listed(data, 'user-1');
  t.not(after.pid, before.pid);
  t.equal(after.port, before.port);
  t.same(listed(data, 'user-2'), other, 'the other process did not restart');
  t.match(log(data), new RegExp(`user-1: process ${before.pid} ended by signal SIGKILL`));
  t.equal(readState(data)?.processes.find(({ name }) => name === 'user-1')?.restarts, 1);
});

test('fleet.json is always whole and has every pid while processes die', async (t) => {
  const data = folder(t);
  const supervisor = supervise(
    t,
    planOf(data, [await fake(data, 'user-1', 'user'), await fake(data, 'file-1', 'file')]),
  );
  await supervisor.start();
  let reads = 0;
  let reading = true;
  const reader = (async () => {
    while (reading) {
      for (const name of ['user-1', 'file-1'])
        if (!Number.isInteger(listed(data, name).pid)) throw new Error('no pid');
      reads += 1;
      await sleep(1);
    }
  })();
  for (const name of ['user-1', 'file-1', 'user-1']) {
    const { pid } = listed(data, name);
    process.kill(pid, 'SIGKILL');
    await until(() => listed(data, name).pid !== pid);
  }
  reading = false;
  await reader;
  t.ok(reads > 50, `${reads} reads`);
  t.same(
    readdirSync(data).filter((name) => name.endsWith('.new')),
    [],
  );
});

test('a process that keeps dying is restarted with growing delays', async (t) => {
  const data = folder(t);
  const supervisor = supervise(
    t,
    planOf(data, [await fake(data, 'user-1', 'user', { DIE_AFTER_MS: '300' })]),
  );
  await supervisor.start();
  await until(() => (readState(data)?.processes[0]?.restarts ?? 0) >= 4);
  const delays = [...log(data).matchAll(/restart in (\d+) ms/g)].map((match) => Number(match[1]));
  t.same(delays.slice(0, 4), [50, 100, 200, 400]);
});

/** A fleet of one process with a child, whose leader was just killed. */
async function killLeader(t: Test) {
  const data = folder(t);
  const supervisor = supervise(
    t,
    planOf(data, [await fake(data, 'nginx', 'nginx', { WITH_CHILD: '1' })]),
  );
  await supervisor.start();
  const { pid } = listed(data, 'nginx');
  const members = () => allProcesses().filter(({ group }) => group === pid);
  await until(() => members().length === 2);
  process.kill(pid, 'SIGKILL');
  return { data, supervisor, pid, members };
}

test('the group of a killed leader is ended before it restarts', async (t) => {
  const { data, pid, members } = await killLeader(t);
  await until(() => listed(data, 'nginx').pid !== pid);
  t.same(members(), []);
});

test('a stop reverses the stages, kills late processes and leaves nothing', async (t) => {
  const data = folder(t);
  const supervisor = supervise(
    t,
    planOf(
      data,
      [await fake(data, 'postgres', 'postgres')],
      [await fake(data, 'user-1', 'user', { STUBBORN: '1' }), await fake(data, 'file-1', 'file')],
      [await fake(data, 'nginx', 'nginx', { WITH_CHILD: '1' })],
    ),
  );
  await supervisor.start();
  const pids = ['postgres', 'user-1', 'file-1', 'nginx'].map((name) => listed(data, name).pid);
  const groups = new Set(pids);
  await supervisor.stop();
  t.same(readFileSync(path.join(data, 'order'), 'utf8').trim().split('\n'), [
    'nginx',
    'file-1',
    'postgres',
  ]);
  t.match(log(data), /user-1: did not stop within 1500 ms, killed/);
  t.same(
    pids.map((pid) => processStat(pid)),
    pids.map(() => undefined),
  );
  t.same(
    allProcesses().filter(({ group }) => groups.has(group)),
    [],
  );
});

test('what drains does not hold the stages before it, and is waited for', async (t) => {
  const data = folder(t);
  const gateway = { ...(await fake(data, 'nginx', 'nginx', { STUBBORN: '1' })), drainMs: 100 };
  const supervisor = supervise(t, planOf(data, [await fake(data, 'user-1', 'user')], [gateway]));
  await supervisor.start();
  const { pid } = listed(data, 'nginx');
  await supervisor.stop();
  const lines = log(data);
  const ended = lines.indexOf('user-1: process');
  t.ok(ended > 0 && ended < lines.indexOf('nginx: did not stop within 1500 ms, killed'), lines);
  t.equal(processStat(pid), undefined);
});

test('a stop waits for the group of a leader that has just died', async (t) => {
  const { data, supervisor, members } = await killLeader(t);
  while (!log(data).includes('ended by signal SIGKILL')) await setImmediate();
  await supervisor.stop();
  t.same(members(), []);
  t.match(log(data), /stopped\n$/, 'nothing is written after the stop');
});

test('a failed start names the process and its last log lines, and stops everything', async (t) => {
  const data = folder(t);
  const bad = await fake(data, 'file-1', 'file', { DIE_AFTER_MS: '0', PORT: '1' });
  const supervisor = supervise(
    t,
    planOf(data, [await fake(data, 's3', 's3')], [await fake(data, 'user-1', 'user'), bad]),
  );
  await t.rejects(supervisor.start(), {
    message:
      /^file-1 did not start: it ended by exit code (3|1)[^]*(last words of file-1|EACCES|listen)/,
  });
  const state = readState(data);
  t.match(state, { phase: 'failed', failure: /file-1/ });
  t.same(
    state?.processes.map(({ pid }) => pid),
    [undefined, undefined, undefined],
  );
  t.notOk(existsSync(path.join(data, 'fleet.json')));
  const script = path.join(data, 'child.mjs');
  t.same(
    allProcesses().filter(({ pid }) => readCommand(pid).includes(script)),
    [],
  );
});

test('a process that dies while a later stage starts is restarted', async (t) => {
  const data = folder(t);
  // The process of the first stage dies once while the second starts.
  const kinesis = await fake(data, 'kinesis', 'kinesis', { DIE_ONCE: path.join(data, 'died') });
  const slow = await fake(data, 'user-1', 'user', { LISTEN_AFTER_MS: '1200' });
  const supervisor = supervise(t, planOf(data, [kinesis], [slow]));
  await supervisor.start();
  t.match(log(data), /kinesis: process \d+ ended by exit code 3[^]*the fleet is ready/);
  t.equal(
    await (await fetch(`http://127.0.0.1:${kinesis.port}`)).text(),
    String(listed(data, 'kinesis').pid),
  );
  t.equal(readState(data)?.processes.find(({ name }) => name === 'kinesis')?.restarts, 1);
});

test('a failing task between stages ends the start', async (t) => {
  const data = folder(t);
  const plan = planOf(data, [await fake(data, 's3', 's3')], [await fake(data, 'user-1', 'user')]);
  plan.stages[0]!.task = {
    name: 'migration',
    command: ['sh', '-c', 'echo no such table; exit 4'],
    env: {},
    log: path.join(data, 'migrate.log'),
  };
  await t.rejects(supervise(t, plan).start(), {
    message: /^migration failed \(exit code 4\)[^]*no such table/,
  });
  t.same(
    readState(data)?.processes.map(({ pid }) => pid),
    [undefined, undefined],
  );
});

test('the status table shows pids, restarts, readiness and memory', async (t) => {
  const data = folder(t);
  const supervisor = supervise(t, planOf(data, [await fake(data, 'user-1', 'user')]));
  await supervisor.start();
  const state = readState(data)!;
  const { pid } = listed(data, 'user-1');
  t.match(await statusTable(state), {
    healthy: true,
    text: new RegExp(
      `process +port +pid +uptime +restarts +ready +rss\\nuser-1 +\\d+ +${pid} +\\ds +0 +yes +\\d+ MB`,
    ),
  });
  await supervisor.stop();
  t.match(await statusTable(state), { healthy: false, text: /user-1 +\d+ +- +- +0 +down +-/ });
});

function readCommand(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

test('logs older than LOG_DAYS are deleted when the fleet starts', async (t) => {
  const data = folder(t);
  const user = await fake(data, 'user-1', 'user');
  mkdirSync(path.dirname(user.log), { recursive: true });
  for (const name of [`${user.log}.1`, path.join(data, 'access.log.2')]) {
    writeFileSync(name, 'somebody');
    utimesSync(name, new Date(0), new Date(0));
  }
  writeFileSync(path.join(data, 'access.log'), '');
  await supervise(t, {
    ...planOf(data, [user]),
    logDays: 14,
    logs: [path.join(data, 'access.log')],
  }).start();
  t.notOk(existsSync(`${user.log}.1`));
  t.notOk(existsSync(path.join(data, 'access.log.2')));
});
