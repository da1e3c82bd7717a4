import { appendFileSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FleetError } from '../../errors.ts';
import { failureOf } from './failure.ts';
import { fleetFile, type SupervisorStatus, writeFleetFiles } from './fleet-files.ts';
import { rotateLogs } from './log-retention.ts';
import type { Plan, Stage } from './plan.ts';
import { isReady } from './readiness.ts';
import { runTask } from './run-task.ts';
import { type SupervisedProcess, superviseProcess } from './supervised-process.ts';

const START_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 30;
const LOG_ROTATION_MS = 5 * 60_000;

export interface Supervisor {
  /**
   * Resolves when all stages are ready.
   * Rejects, with everything stopped, when a process ends before it was ready.
   */
  start(): Promise<void>;
  /** Stops the stages in reverse order. Idempotent. */
  stop(): Promise<void>;
}

interface Supervision {
  plan: Plan;
  status: SupervisorStatus;
  stages: { stage: Stage; processes: SupervisedProcess[] }[];
  processes: SupervisedProcess[];
  /** Names of processes that were ready once. From then on they are restarted whenever they end. */
  wasReady: Set<string>;
  log(line: string): void;
}

/** Runs a plan. fleet.json and state.json follow each change; logs/supervisor.log says why. */
export function createSupervisor(plan: Plan): Supervisor {
  const supervision = supervise(plan);
  const logs = logFiles(supervision);
  const rotate = (): void => {
    try {
      rotateLogs(logs, plan.logDays ?? 0);
    } catch (error) {
      supervision.log(`logs could not be rotated: ${String(error)}`);
    }
  };
  const rotation = setInterval(rotate, LOG_ROTATION_MS).unref();
  let stopped: Promise<void> | undefined;

  function stop(): Promise<void> {
    clearInterval(rotation);
    stopped ??= stopStages(supervision);
    return stopped;
  }

  async function start(): Promise<void> {
    rotate();
    try {
      await startStages(supervision);
    } catch (error) {
      const failure = error instanceof FleetError ? error.message : String(error);
      supervision.status.failure = failure;
      supervision.log(`start failed: ${failure}`);
      await stop();
      throw error;
    }
    if (supervision.status.phase !== 'starting') return;
    supervision.status.phase = 'running';
    supervision.log('the fleet is ready');
    save(supervision);
  }

  return { start, stop };
}

function supervise(plan: Plan): Supervision {
  const folder = path.join(plan.data, 'logs');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const log = (line: string): void =>
    appendFileSync(path.join(folder, 'supervisor.log'), `${new Date().toISOString()} ${line}\n`, {
      mode: 0o600,
    });
  const wasReady = new Set<string>();
  const status: SupervisorStatus = { phase: 'starting', title: '' };
  const stages = plan.stages.map((stage) => ({
    stage,
    processes: stage.processes.map((spec) =>
      superviseProcess(spec, plan.cwd, {
        changed: () => save(supervision),
        log,
        restarts: () =>
          status.phase === 'running' || (status.phase === 'starting' && wasReady.has(spec.name)),
      }),
    ),
  }));
  const processes = stages.flatMap((stage) => stage.processes);
  const supervision: Supervision = { plan, status, stages, processes, wasReady, log };
  return supervision;
}

function save({ plan, status, processes }: Supervision): void {
  writeFleetFiles(plan, status, processes);
}

function logFiles({ plan, processes }: Supervision): string[] {
  return [
    ...new Set([
      ...processes.map(({ spec }) => spec.log),
      ...plan.stages.flatMap(({ task }) => (task ? [task.log] : [])),
      ...(plan.logs ?? []),
      path.join(plan.data, 'logs', 'supervisor.log'),
    ]),
  ];
}

async function startStages(supervision: Supervision): Promise<void> {
  for (const { stage, processes } of supervision.stages) {
    supervision.status.title = stage.title;
    save(supervision);
    await Promise.all(processes.map((process) => process.start()));
    await Promise.all(processes.map((process) => untilReady(supervision, process)));
    if (stage.task && supervision.status.phase === 'starting')
      await runTask(stage.task, supervision.plan.cwd);
  }
  await untilAllReady(supervision);
}

async function untilReady(
  { status, wasReady }: Supervision,
  process: SupervisedProcess,
): Promise<void> {
  const { name, log, ready } = process.spec;
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (; status.phase === 'starting'; await sleep(READY_POLL_MS)) {
    const pid = process.identity()?.pid;
    if (pid === undefined)
      throw failureOf(
        `${name} did not start: it ended by ${process.exit() ?? 'an unknown cause'}`,
        log,
      );
    // Compared again after the wait: only a process that was ready is restarted when it ends.
    if ((await isReady(ready, pid)) && process.identity()?.pid === pid) {
      wasReady.add(name);
      return;
    }
    if (performance.now() > deadline)
      throw failureOf(`${name} was not ready within ${START_TIMEOUT_MS / 1000} s`, log);
  }
}

// Processes of the first stages may have died since.
async function untilAllReady({ status, processes }: Supervision): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (; status.phase === 'starting'; await sleep(READY_POLL_MS)) {
    const ready = await Promise.all(
      processes.map(({ spec, identity }) => isReady(spec.ready, identity()?.pid ?? -1)),
    );
    const late = processes.find(
      ({ identity }, index) => identity() === undefined || ready[index] !== true,
    );
    if (late === undefined) return;
    if (performance.now() > deadline)
      throw failureOf(`${late.spec.name} was no longer ready when all others were`, late.spec.log);
  }
}

async function stopStages(supervision: Supervision): Promise<void> {
  const { plan, status, stages, log } = supervision;
  status.phase = 'stopping';
  save(supervision);
  log('stopping');
  rmSync(fleetFile(plan.data), { force: true });
  const draining: Promise<unknown>[] = [];
  for (const { processes } of stages.toReversed()) {
    const stopped = Promise.all(processes.map((process) => process.stop()));
    const drains = processes.map(({ spec }) => spec.drainMs);
    if (drains.length === 0 || drains.includes(undefined)) await stopped;
    else {
      draining.push(stopped);
      await Promise.race([stopped, sleep(Math.max(...drains.map(Number)))]);
    }
  }
  await Promise.all(draining);
  if (status.failure !== undefined) status.phase = 'failed';
  save(supervision);
  log('stopped');
}
