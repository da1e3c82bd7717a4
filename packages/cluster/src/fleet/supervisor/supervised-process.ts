import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { clearStalePostgres } from '../../postgres/stale-postgres.ts';
import { openLog } from './open-log.ts';
import type { ProcessSpec } from './plan.ts';
import { processStat } from './process-table.ts';
import { sweepGroup } from './signals.ts';
import type { Identity } from './state.ts';

const MIN_RESTART_DELAY_MS = 50;
const MAX_RESTART_DELAY_MS = 10_000;
// After this lifetime the next restart is quick again.
const STEADY_MS = 5_000;

export interface ProcessEvents {
  /** There is a new pid, or the process ended. */
  changed(): void;
  log(line: string): void;
  /** Whether an exit leads to a restart. */
  restarts(): boolean;
}

export interface SupervisedProcess {
  spec: ProcessSpec;
  /** Of the living process. */
  identity(): Identity | undefined;
  /** Restarts so far. */
  restarts(): number;
  /** How the last one ended, while none lives. */
  exit(): string | undefined;
  /** How the one before the living one ended. */
  lastExit(): string | undefined;
  start(): Promise<void>;
  /** Stops it in order, then by SIGKILL. Resolves when its whole group is gone. */
  stop(): Promise<void>;
}

interface Life {
  spec: ProcessSpec;
  cwd: string;
  events: ProcessEvents;
  child?: ChildProcess | undefined;
  identity?: Identity | undefined;
  exit?: string | undefined;
  lastExit?: string | undefined;
  restarts: number;
  /** Before the next restart. */
  delayMs: number;
  stopping: boolean;
  /** What follows the end of the last process: its group is swept, the change is reported. */
  ended?: Promise<void>;
  timer?: NodeJS.Timeout;
}

/** Runs a process that is restarted whenever it ends, with growing delays while it keeps dying. */
export function superviseProcess(
  spec: ProcessSpec,
  cwd: string,
  events: ProcessEvents,
): SupervisedProcess {
  const life: Life = {
    spec,
    cwd,
    events,
    restarts: 0,
    delayMs: MIN_RESTART_DELAY_MS,
    stopping: false,
  };
  return {
    spec,
    identity: () => life.identity,
    restarts: () => life.restarts,
    exit: () => life.exit,
    lastExit: () => life.lastExit,
    start: () => start(life),
    stop: () => stop(life),
  };
}

async function start(life: Life): Promise<void> {
  const { spec, cwd, events } = life;
  // Backends of a killed postmaster hold its shared memory, and a new one would refuse to start.
  if ('postgres' in spec.ready) await clearStalePostgres(spec.ready.postgres);
  if (life.stopping) return;
  const fd = openLog(spec.log);
  const [command = '', ...args] = spec.command;
  // A process group of its own, so that what a killed leader leaves can be ended.
  const child = spawn(command, args, {
    cwd,
    env: spec.env,
    ...spec.user,
    detached: true,
    stdio: ['ignore', fd, fd],
  });
  closeSync(fd);
  const started = performance.now();
  const { pid } = child;
  life.child = child;
  life.identity =
    pid === undefined ? undefined : { pid, startTime: processStat(pid)?.startTime ?? 0 };
  life.exit = undefined;
  events.changed();
  let hasEnded = false;
  const onEnd = (how: string): void => {
    if (hasEnded) return;
    hasEnded = true;
    life.ended = restart(life, { how, pid, livedMs: performance.now() - started });
  };
  child.once('error', (error) => onEnd(error.message));
  child.once('exit', (code, signal) =>
    onEnd(signal === null ? `exit code ${code}` : `signal ${signal}`),
  );
  events.log(`${spec.name}: started as process ${pid ?? '(none)'}`);
}

async function restart(
  life: Life,
  { how, pid, livedMs }: { how: string; pid: number | undefined; livedMs: number },
): Promise<void> {
  const { spec, events } = life;
  life.identity = undefined;
  life.exit = how;
  life.lastExit = how;
  events.log(
    `${spec.name}: process ${pid ?? '(none)'} ended by ${how} ` +
      `after ${(livedMs / 1000).toFixed(1)} s`,
  );
  if (pid !== undefined) await sweepGroup(pid);
  events.changed();
  if (life.stopping || !events.restarts()) return;
  if (livedMs >= STEADY_MS) life.delayMs = MIN_RESTART_DELAY_MS;
  events.log(`${spec.name}: restart in ${life.delayMs} ms`);
  life.timer = setTimeout(() => {
    life.restarts += 1;
    start(life).catch((error: unknown) =>
      events.log(`${spec.name}: restart failed: ${String(error)}`),
    );
  }, life.delayMs);
  life.delayMs = Math.min(life.delayMs * 2, MAX_RESTART_DELAY_MS);
}

async function stop(life: Life): Promise<void> {
  const { spec, events, child } = life;
  life.stopping = true;
  clearTimeout(life.timer);
  if (child && life.identity && child.exitCode === null && child.signalCode === null) {
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(spec.stopSignal);
    const killer = setTimeout(() => {
      events.log(`${spec.name}: did not stop within ${spec.stopTimeout} ms, killed`);
      child.kill('SIGKILL');
    }, spec.stopTimeout);
    await exited;
    clearTimeout(killer);
  }
  await life.ended;
  if ('postgres' in spec.ready) await clearStalePostgres(spec.ready.postgres);
}
