import { spawn } from 'node:child_process';
import { appendFileSync, closeSync, mkdirSync, openSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FleetError } from '../../errors.ts';
import { rotateLogs } from './log-retention.ts';
import { lastLines } from './last-lines.ts';
import type { Plan, Stage, TaskSpec } from './plan.ts';
import { bootId, processStat } from './process-table.ts';
import { isReady } from './readiness.ts';
import { type FleetState, writeState } from './state.ts';
import { type SupervisedProcess, superviseProcess } from './supervised-process.ts';
import { writeAtomically } from '../../write-atomically.ts';

const START_TIMEOUT_MS = 60_000;
const LOG_CHECK_MS = 5 * 60_000;

export interface Supervisor {
  /** Resolves when all stages are ready; rejects, with everything stopped again, when one process ends before it was ready. */
  start(): Promise<void>;
  /** The stages in the opposite order; idempotent. */
  stop(): Promise<void>;
}

/** Runs a plan: fleet.json and state.json in the data folder follow every change of a pid, logs/supervisor.log says why. */
export function createSupervisor(plan: Plan): Supervisor {
  const logs = path.join(plan.data, 'logs');
  mkdirSync(logs, { recursive: true, mode: 0o700 });
  let phase: FleetState['phase'] = 'starting';
  let title = '';
  let failure: string | undefined;
  let stopped: Promise<void> | undefined;

  const log = (line: string): void =>
    appendFileSync(path.join(logs, 'supervisor.log'), `${new Date().toISOString()} ${line}\n`, {
      mode: 0o600,
    });
  // A process that has been ready once is started again whenever it ends: its stage is over, and nobody else looks at it.
  const wasReady = new Set<string>();
  const restarts = (name: string): boolean =>
    phase === 'running' || (phase === 'starting' && wasReady.has(name));
  const stages = plan.stages.map((stage) => ({
    stage,
    processes: stage.processes.map((spec) =>
      superviseProcess(spec, plan.cwd, { changed: save, log, restarts: () => restarts(spec.name) }),
    ),
  }));
  const all = stages.flatMap(({ processes }) => processes);

  function save(): void {
    const processes = all.map(
      ({ spec: { name, service, port, log: file, ready }, identity, restarts }) => ({
        name,
        service,
        port,
        log: file,
        ready,
        restarts: restarts(),
        ...identity(),
      }),
    );
    // fleet.json first: who reads in the state that the fleet runs goes on to read it.
    // A process that is being restarted keeps its old pid there until it has a new one: a reader always finds a number.
    if (phase === 'running' && processes.every(({ pid }) => pid !== undefined)) {
      const listed = processes.map(({ name, service, pid, port, log: file }) => ({
        name,
        service,
        pid,
        port,
        log: file,
      }));
      writeAtomically(
        path.join(plan.data, 'fleet.json'),
        `${JSON.stringify({ ...plan.facts, processes: listed }, undefined, 2)}\n`,
      );
    }
    writeState(plan.data, {
      boot: bootId(),
      supervisor: { pid: process.pid, startTime: processStat(process.pid)?.startTime ?? 0 },
      phase,
      title,
      ...(failure === undefined ? {} : { failure }),
      settings: plan.settings,
      processes,
    });
  }

  const logFiles = [
    ...new Set([
      ...all.map(({ spec }) => spec.log),
      ...plan.stages.flatMap(({ task }) => (task ? [task.log] : [])),
      ...(plan.logs ?? []),
      path.join(logs, 'supervisor.log'),
    ]),
  ];
  function keepLogs(): void {
    try {
      rotateLogs(logFiles, plan.logDays ?? 0);
    } catch (error) {
      log(`logs could not be rotated: ${String(error)}`);
    }
  }
  const keeping = setInterval(keepLogs, LOG_CHECK_MS).unref();

  async function start(): Promise<void> {
    keepLogs();
    try {
      for (const { stage, processes } of stages) {
        title = stage.title;
        save();
        await startStage(stage, processes);
      }
      await untilAllReady();
    } catch (error) {
      failure = error instanceof FleetError ? error.message : String(error);
      log(`start failed: ${failure}`);
      await stop();
      throw error;
    }
    if (phase !== 'starting') return;
    phase = 'running';
    log('the fleet is ready');
    save();
  }

  async function startStage(stage: Stage, processes: SupervisedProcess[]): Promise<void> {
    await Promise.all(processes.map((process) => process.start()));
    await Promise.all(processes.map((process) => untilReady(process)));
    if (stage.task && phase === 'starting') await runTask(stage.task, plan.cwd);
  }

  async function untilReady(process: SupervisedProcess): Promise<void> {
    const { name, log: file, ready } = process.spec;
    for (
      const deadline = performance.now() + START_TIMEOUT_MS;
      phase === 'starting';
      await sleep(30)
    ) {
      const pid = process.identity()?.pid;
      if (pid === undefined)
        throw failed(
          `${name} did not start: it ended by ${process.exit() ?? 'an unknown cause'}`,
          file,
        );
      // Asked again after the wait: from here on its end leads to a restart, before it to a failed start.
      if ((await isReady(ready, pid)) && process.identity()?.pid === pid) {
        wasReady.add(name);
        return;
      }
      if (performance.now() > deadline)
        throw failed(`${name} was not ready within ${START_TIMEOUT_MS / 1000} s`, file);
    }
  }

  // Those of the first stages may have died since.
  async function untilAllReady(): Promise<void> {
    for (
      const deadline = performance.now() + START_TIMEOUT_MS;
      phase === 'starting';
      await sleep(30)
    ) {
      const ready = await Promise.all(
        all.map(({ spec, identity }) => isReady(spec.ready, identity()?.pid ?? -1)),
      );
      const late = all.find(
        ({ identity }, index) => identity() === undefined || ready[index] !== true,
      );
      if (late === undefined) return;
      if (performance.now() > deadline)
        throw failed(`${late.spec.name} was no longer ready when all others were`, late.spec.log);
    }
  }

  function stop(): Promise<void> {
    stopped ??= stopAll();
    return stopped;
  }

  async function stopAll(): Promise<void> {
    clearInterval(keeping);
    phase = 'stopping';
    save();
    log('stopping');
    rmSync(path.join(plan.data, 'fleet.json'), { force: true });
    for (const { processes } of stages.toReversed())
      await Promise.all(processes.map((process) => process.stop()));
    if (failure !== undefined) phase = 'failed';
    save();
    log('stopped');
  }

  return { start, stop };
}

function failed(what: string, log: string): FleetError {
  const lines = lastLines(log, 15);
  return new FleetError(
    `${what}. ${lines.length === 0 ? 'It wrote nothing to' : `The last lines of`} ${log}${lines.length === 0 ? '' : `:\n${lines.map((line) => `  ${line}`).join('\n')}`}`,
  );
}

function runTask(task: TaskSpec, cwd: string): Promise<void> {
  const fd = openSync(task.log, 'a', 0o600);
  const [command = '', ...args] = task.command;
  const child = spawn(command, args, { cwd, env: task.env, stdio: ['ignore', fd, fd] });
  closeSync(fd);
  return new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(failed(`${task.name} failed: ${error.message}`, task.log)),
    );
    child.once('exit', (code, signal) =>
      code === 0
        ? resolve()
        : reject(failed(`${task.name} failed (${signal ?? `exit code ${code}`})`, task.log)),
    );
  });
}
